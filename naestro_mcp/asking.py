"""A run's question, put to the person who sits at the client, where the client can.

`following` above asks; below stands the request, which knows how each era of the protocol asks. A person who declines a
question has said no where a no is among the answers; who closes it has said nothing, and the run waits on.
"""

from collections.abc import Mapping

from mcp.types import ElicitRequestFormParams, ElicitResult

from naestro.client.api import CallerClient
from naestro.types import InterruptOpened, Json
from naestro_mcp.request import ANSWER, Request

FIELD = "answer"
NO = "no"
SHOWN_CHARS_MAX = 20_000
"""Of what there is to look at. A larger change is looked at elsewhere, so nobody is asked about it here."""


async def form_of(client: CallerClient, question: InterruptOpened) -> ElicitRequestFormParams | None:
    """The form; None where what there is to look at is too much for one."""
    shown = ""
    if question.payload is not None:
        shown = (await client.artifact(question.payload)).decode("utf-8", "replace")
    if len(shown) > SHOWN_CHARS_MAX:
        return None
    field: dict[str, Json] = {"type": "string", "title": "Your answer"}
    if question.options:
        field["enum"] = list(question.options)
    return ElicitRequestFormParams(
        message="\n\n".join(filter(None, [question.question, shown])),
        requested_schema={"type": "object", "properties": {FIELD: field}, "required": [FIELD]},
    )


def answer_in(result: ElicitResult, question: InterruptOpened) -> str | None:
    """The person's answer; None where there is none that counts."""
    if result.action == "decline" and NO in question.options:
        return NO
    if result.action != "accept":
        return None
    answer = (result.content or {}).get(FIELD)
    if not isinstance(answer, str) or (question.options and answer not in question.options):
        return None
    return answer


def earlier_answer(request: Request, run: str, question: InterruptOpened) -> str | None:
    """The answer that came with this round of a request, where it is to this question."""
    result = request.answers.get(ANSWER)
    is_this = request.state.get("run") == run and request.state.get("interrupt") == question.interrupt
    return answer_in(result, question) if is_this and isinstance(result, ElicitResult) else None


def state_of(run: str, question: InterruptOpened) -> Mapping[str, Json]:
    """What comes back with the answer, so that it counts for this question and the run is found again."""
    return {"run": run, "interrupt": question.interrupt}
