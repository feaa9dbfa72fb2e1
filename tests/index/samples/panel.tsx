import type { Run } from "./types";
import React from "react";

export interface PanelProps<T> {
  run: Run;
  onClose(id: string): void;
}

type Shown = Run | null;

export enum Side {
  Left,
  Right = "right",
}

/** Shows one run. */
export const Panel = ({ run, onClose }: PanelProps<Run>): JSX.Element => {
  const close = () => onClose(run.id);
  return <Frame title="a title">words {run.name} <Button onClick={close} /></Frame>;
};

export abstract class View {
  private readonly shown: Shown = null;

  @bound()
  protected render(): JSX.Element {
    return <Panel run={this.shown!} onClose={() => undefined} />;
  }

  abstract refresh(): Promise<void>;
}

export default function mount(root: HTMLElement): void {
  React.render(root);
}

declare namespace Store.Inner {
  function load(): Run;
}
