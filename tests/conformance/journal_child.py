"""An owner that writes steps until it is killed, and shows each number once it is durable."""

import importlib
import itertools
import sys

import anyio

from tests.conformance.journal import Place, begin_step, begun, step_ends


def show(*values: object) -> None:
    sys.stdout.write("".join(f"{value}\n" for value in values))
    sys.stdout.flush()


async def write_until_killed(place: Place) -> None:
    async with place.open("a process that will be killed") as journal:
        run = await journal.create_run(begun())
        show(run, 1)
        for number in itertools.count():
            step = f"propose.{number}"
            output = f"output of {step}".encode()
            guard = await begin_step(journal, run, step)
            [event] = await journal.write(run, step_ends(step, output), artifacts=[output], guard=guard)
            show(event.seq - 1, event.seq)


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    anyio.run(write_until_killed, getattr(importlib.import_module(module), name)(sys.argv[2]))
