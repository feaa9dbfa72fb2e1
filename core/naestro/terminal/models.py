"""`naestro models`: the catalogue, what of it is here, and fetching with progress."""

import sys

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from naestro.config import load_settings
from naestro.engines import fetch
from naestro.engines.catalogue import Model, catalogue
from naestro.engines.fetch_repository import (
    Record,
    fetched,
    path_of_repository,
    pull_repository,
    remove_repository,
)
from naestro.engines.repository import repository_of
from naestro.terminal.exits import Exit
from naestro.terminal.plain import print_json, wide_console

MB = 1_000_000


def show_models(*, as_json: bool) -> None:
    """Print the catalogue in its order, then what was fetched besides."""
    models = catalogue().all()
    here = {model.name for model in models if fetch.is_here(model)}
    if as_json:
        for model in models:
            print_json({**_facts(model), "is_installed": model.name in here})
        for record in fetched():
            print_json(_fetched_facts(record))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("model", "here", "size", "context", "licence", "what it is"):
        table.add_column(
            column, no_wrap=column != "what it is", justify="right" if column == "size" else "left"
        )
    for model in models:
        sign = Text("✓", style="green") if model.name in here else Text("")
        size = f"{model.size_bytes / MB:.0f} MB"
        table.add_row(model.name, sign, size, str(model.context_tokens), model.licence, model.summary)
    for record in fetched():
        size, licence = f"{record.size_bytes / MB:.0f} MB", record.licence or "unknown"
        summary = f"of the hub, at revision {record.commit[:12]}: for the index"
        table.add_row(record.name, Text("✓", style="green"), size, "", licence, summary)
    wide_console().print(table)


def _facts(model: Model) -> dict[str, object]:
    return {
        "name": model.name,
        "summary": model.summary,
        "purpose": model.purpose,
        "licence": model.licence,
        "context_tokens": model.context_tokens,
        "size_bytes": model.size_bytes,
        "sha256": model.sha256,
    }


def _fetched_facts(record: Record) -> dict[str, object]:
    return {
        "name": record.name,
        "summary": "",
        "purpose": "index",
        "licence": record.licence,
        "context_tokens": None,
        "size_bytes": record.size_bytes,
        "sha256": None,
        "commit": record.commit,
        "is_installed": True,
    }


async def pull_models(names: list[str]) -> int:
    """Fetch models one after the other; every name is checked before the first byte is fetched."""
    settings = load_settings(None).settings
    _check(names)
    for name in names:
        view = _Progress(name)
        try:
            pull = pull_repository if _is_of_hub(name) else fetch.pull
            path = await pull(name, settings, view.show)
        finally:
            view.close()
        print(f"{name}: {path}")
    return Exit.OK


def _check(names: list[str]) -> None:
    """Raise `ModelUnknown` for the first that is neither in the catalogue nor a name of the hub."""
    for name in names:
        if _is_of_hub(name):
            repository_of(name)
        else:
            catalogue().find(name)


def _is_of_hub(name: str) -> bool:
    """Whether it is meant to be `owner/model`; no name of the catalogue has a slash."""
    return "/" in name


class _Progress:
    """A bar in a terminal, a line for each sentence elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None
        self._said = ""

    def show(self, progress: fetch.Progress) -> None:
        """Take in a step of the fetch."""
        if progress.text and progress.text != self._said:
            self._said = progress.text
            self._bar.console.print(
                f"{self._name}: {progress.text}", soft_wrap=True, markup=False, highlight=False
            )
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=progress.total_bytes)
        self._bar.update(self._task, completed=progress.done_bytes, total=progress.total_bytes)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()


def remove_models(names: list[str]) -> None:
    """Delete models from this machine."""
    _check(names)
    for name in names:
        freed = remove_repository(name) if _is_of_hub(name) else fetch.remove(name)
        print(f"{name}: {freed / MB:.0f} MB freed" if freed else f"{name} was not here")


def print_path(name: str) -> None:
    """Print where a model's file lies."""
    print(path_of_repository(name) if _is_of_hub(name) else fetch.path_of(name))
