"""What the shell may offer for a run, a step or a model; it offers nothing rather than fail.

Bound to arguments in `options`. The journal and the catalogue are opened only when a shell asks.
"""

from collections.abc import Iterator

import typer

from naestro.errors import NaestroError

RUNS_OFFERED = 30
TASK_CHARS = 50


def complete_runs(incomplete: str) -> list[tuple[str, str]]:
    """The latest runs that begin so, each with its task."""
    return [pair for pair in _quietly(_runs()) if pair[0].startswith(incomplete)]


def complete_steps(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The steps of the run that stands before on the line."""
    return [
        pair for pair in _quietly(_steps(str(context.params.get("run")))) if pair[0].startswith(incomplete)
    ]


def complete_models(incomplete: str) -> list[tuple[str, str]]:
    """The models of the catalogue, and those of the hub that are here."""
    return [pair for pair in _quietly(_models()) if pair[0].startswith(incomplete)]


def _quietly(pairs: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    try:
        return list(pairs)
    except NaestroError:
        return []


def _runs() -> Iterator[tuple[str, str]]:
    from naestro.terminal.store import open_store
    from naestro.terminal.text import one_line

    with open_store() as reader:
        for info in reader.runs(limit=RUNS_OFFERED):
            yield info.id, f"{info.status.value}: {one_line(str(info.task.get('text', '')), TASK_CHARS)}"


def _steps(run: str) -> Iterator[tuple[str, str]]:
    from naestro.terminal.store import open_store

    with open_store() as reader:
        for row in reader.steps(reader.run(run).id):
            yield row.step, str(row.state)


def _models() -> Iterator[tuple[str, str]]:
    from naestro.engines.catalogue import catalogue
    from naestro.engines.fetch_repository import fetched

    for model in catalogue().all():
        yield model.name, model.summary
    for record in fetched():
        yield record.name, "of the hub"
