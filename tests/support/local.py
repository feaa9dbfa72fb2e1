"""Local servers for tests: a plan with short waits, and a server that ends with its block."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio

from naestro.engines.llama_server import choose_program
from naestro.engines.supervisor import LocalServer, ServerPlan


def plan_in(folder: Path, model: Path | None = None, **changes: object) -> ServerPlan:
    """A plan that keeps everything in `folder`; without a model, a file that is none stands for it."""
    if model is None:
        model = folder / "model.gguf"
        model.write_bytes(b"GGUF")
    plan = ServerPlan(
        name="tiny",
        model=model,
        slots=2,
        context_tokens=512,
        threads=1,
        start_s=60,
        idle_stop_s=0,
        log_folder=folder / "logs",
        scratch_folder=folder / "scratch",
    )
    return replace(plan, **changes)


@asynccontextmanager
async def local_server(plan: ServerPlan, setting: str) -> AsyncGenerator[LocalServer]:
    """A server for `plan` that runs the program of `setting`, not yet started; none of it is left afterwards."""
    async with anyio.create_task_group() as tasks:
        server = LocalServer(plan, partial(choose_program, setting), tasks)
        try:
            yield server
        finally:
            await server.aclose()
