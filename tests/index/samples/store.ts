import { Row } from "../rows";
import fs = require("fs");
export * from "./kinds";

export namespace Names {
  export const KEY = "key";
  export function join(a: string): string {
    return a + KEY;
  }
}

export function load(path: string): Row;
export function load(path: string, limit?: number): Row[] {
  return fs.read(path as string).map((row: Row) => row);
}

class Store<T extends Row> implements Names.Like {
  constructor(private readonly rows: T[]) {}

  static of = <T extends Row>(rows: T[]) => new Store(rows);

  get(type: number): T | undefined {
    return this.rows[type];
  }
}
