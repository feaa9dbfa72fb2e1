"""`respond`: go on with a run: wait for it, answer its question, resume or cancel it."""

from typing import Annotated, Literal

import msgspec

from naestro.errors import InputError, RunStateError
from naestro.types import InterruptOpened
from naestro_mcp.following import BY, Following
from naestro_mcp.options import APPLY, COUNCIL
from naestro_mcp.results import Outlined, is_writing, open_questions, outcome_of, own_run
from naestro_mcp.tool import Call, Reply, Tool

NO = "no"


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What it takes."""

    run: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    action: Literal["wait", "answer", "resume", "cancel"] = "wait"
    answer: Annotated[str, msgspec.Meta(max_length=16_000)] = ""
    root: str = ""


async def respond(call: Call, asked: Arguments) -> Reply:
    """What the run comes to by it."""
    run = (await own_run(call, asked.run)).id
    if asked.action == "cancel":
        await call.host.client.cancel(run, "by an MCP client")
        return await outcome_of(call, run)
    is_first = "run" not in call.request.state
    if asked.action == "answer" and is_first:
        await _answer(call, run, asked.answer)
    elif asked.action == "resume" and is_first:
        await call.host.client.resume(run)
    return await Following(call, run).to_answer()


async def _answer(call: Call, run: str, answer: str) -> None:
    questions = open_questions(await call.host.client.history(run))
    if not questions:
        raise RunStateError(f"The run {run} waits for no answer.", hint="The tool runs shows its state.")
    question = questions[-1]
    _check(call, run, question, answer)
    await call.host.client.respond(run, question.interrupt, answer, by=BY)


def _check(call: Call, run: str, question: InterruptOpened, answer: str) -> None:
    if question.options and answer not in question.options:
        raise InputError(
            f"{answer!r} is none of the answers.", hint=f"There are: {', '.join(question.options)}."
        )
    if is_writing(question) and answer != NO and APPLY not in call.options.toolsets:
        raise InputError(
            "A change is written after the person's own yes, which a model cannot give.",
            hint=f"They answer in their terminal (`naestro respond {run}`), or allow it once and for all by the "
            'toolset "apply" in mcp_server.toolsets.',
        )


TOOL = Tool(
    name="respond",
    title="Go on with a run",
    description="Wait on for a run, answer its question, resume it after it stopped or failed, or cancel it.",
    toolset=COUNCIL,
    arguments=Arguments,
    reply=Outlined,
    work=respond,
    is_destructive=True,
    is_open=True,
)
