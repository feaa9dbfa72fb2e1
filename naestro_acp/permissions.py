"""The questions of a run, put to the person: a change with its diff as a permission, everything else as a form.

`turn` above gives the answer to the run. What a person always allows or rejects is remembered, for the session in
memory and for the workspace as a document. The session's mode answers first: `ask` never writes, `auto` always does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from acp.exceptions import RequestError
from acp.schema import (
    AcceptElicitationResponse,
    AllowedOutcome,
    ClientCapabilities,
    ElicitationFormSessionMode,
    ElicitationSchema,
    ElicitationStringPropertySchema,
    EnumOption,
    PermissionOption,
    ToolCallUpdate,
)
from pydantic import ValidationError

from naestro.client.api import Documents
from naestro.types import InterruptOpened, Json
from naestro_acp.outlet import Outlet
from naestro_acp.projection import NO, Change, question_id
from naestro_acp.sessions import Session

COLLECTION = "acp.permissions"
YES, DECLINED = "yes", "no"

READ_ONLY = (
    "This session is in mode ask, which only reads: no file was changed. Pick the mode council to be asked."
)
REFUSED = "Changes are always rejected here, as you chose; `/forget` asks again."
CHANGE_OPTIONS = [
    PermissionOption(option_id="yes", name="Apply", kind="allow_once"),
    PermissionOption(
        option_id="yes-session", name="Apply, and all others in this session", kind="allow_always"
    ),
    PermissionOption(option_id="yes-always", name="Always apply in this workspace", kind="allow_always"),
    PermissionOption(option_id="no", name="Reject", kind="reject_once"),
    PermissionOption(option_id="no-always", name="Always reject in this workspace", kind="reject_always"),
]
ELSEWHERE_OPTIONS = [option for option in CHANGE_OPTIONS if option.option_id in (YES, "no")]
"""What may be said of a change to another workspace than the session's: nothing that lasts."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a question."""

    answer: str | None = None
    """None where there is none: the run goes on waiting."""
    note: str = ""
    """What the person should be told about it."""
    is_cancelled: bool = False
    """Whether the client cancelled the whole prompt."""


@dataclass(slots=True)
class Permissions:
    """Asks, and remembers what was always allowed."""

    documents: Documents
    capabilities: ClientCapabilities
    session_answers: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """By session and command: what its person said for all of it."""

    async def answer(self, outlet: Outlet, session: Session, asked: InterruptOpened, change: Change) -> Reply:
        """The answer to what a run asks; `change` shows the change that it is about. Raises one of `GONE`.

        What was said for good, and the mode `auto`, count in the session's own workspace alone.
        """
        if asked.kind != "approve" or YES not in asked.options:
            return await self._choose(outlet, asked)
        if session.mode == "ask":
            return Reply(DECLINED, READ_ONLY)
        if not session.stands_in(change.root):
            return await _request(outlet, asked, ELSEWHERE_OPTIONS, change)
        if session.mode == "auto":
            return Reply(YES)
        lasting = _key(session, change)
        known = self.session_answers.get((session.id, change.command)) or await self._remembered(lasting)
        if known is not None:
            return Reply(known, REFUSED if known == DECLINED else "")
        picked = await _request(outlet, asked, CHANGE_OPTIONS, change)
        if picked.answer is None:
            return picked
        answer, _, reach = picked.answer.partition("-")
        if reach == "session":
            self.session_answers[session.id, change.command] = answer
        if reach == "always":
            await self.documents.put(COLLECTION, lasting, answer)
        return Reply(answer)

    async def forget(self, session: Session) -> None:
        """Ask again from now on in the session and its workspace."""
        self.close(session.id)
        for key, _ in await self.documents.list(COLLECTION):
            if key.partition("\n")[2] == session.workspace:
                await self.documents.delete(COLLECTION, key)

    def close(self, session_id: str) -> None:
        """Forget what was said for a session."""
        for key in [key for key in self.session_answers if key[0] == session_id]:
            del self.session_answers[key]

    async def _remembered(self, key: str) -> str | None:
        kept = await self.documents.get(COLLECTION, key)
        return kept if isinstance(kept, str) and kept in (YES, DECLINED) else None

    async def _choose(self, outlet: Outlet, asked: InterruptOpened) -> Reply:
        form = self.capabilities.elicitation and self.capabilities.elicitation.form
        if form is not None:
            return await _elicit(outlet, asked)
        if not asked.options:
            return Reply(note=f"The run waits for words: {asked.question} Your editor has no form for them.")
        return await _request(outlet, asked, [_option(option) for option in asked.options], Change())


async def request(outlet: Outlet, tool_call: ToolCallUpdate, options: Sequence[PermissionOption]) -> Reply:
    """What the person picks of `options`. Raises one of `GONE`."""
    try:
        response = await outlet.conn.request_permission(outlet.session_id, tool_call, list(options))
    except (RequestError, ValidationError):
        return Reply(note=f"Your editor could not ask: {tool_call.title}")
    if isinstance(response.outcome, AllowedOutcome) and response.outcome.option_id in {
        o.option_id for o in options
    }:
        return Reply(response.outcome.option_id)
    return Reply(is_cancelled=True)


async def _request(
    outlet: Outlet, asked: InterruptOpened, options: Sequence[PermissionOption], change: Change
) -> Reply:
    tool_call = ToolCallUpdate(
        tool_call_id=change.tool_call or question_id(outlet.run or "", asked.interrupt),
        title=asked.question,
        kind="edit" if change.tool_call else "other",
        status="pending",
        content=[*change.content] or None,
        locations=change.locations or None,
    )
    return await request(outlet, tool_call, options)


async def _elicit(outlet: Outlet, asked: InterruptOpened) -> Reply:
    """Ask by a form with one field."""
    choices = [EnumOption(const=option, title=option.capitalize()) for option in asked.options] or None
    text = ElicitationStringPropertySchema(type="string", title="Answer", one_of=choices)
    mode = ElicitationFormSessionMode(
        session_id=outlet.session_id,
        tool_call_id=question_id(outlet.run or "", asked.interrupt),
        requested_schema=ElicitationSchema(type="object", properties={"answer": text}, required=["answer"]),
    )
    try:
        response = await outlet.conn.create_elicitation(asked.question, mode)
    except (RequestError, ValidationError):
        return Reply(note=f"Your editor could not ask: {asked.question}")
    content: Mapping[str, Json] = (isinstance(response, AcceptElicitationResponse) and response.content) or {}
    answer = content.get("answer")
    if isinstance(answer, str) and (not asked.options or answer in asked.options):
        return Reply(answer)
    return Reply(note="The run waits for the answer.")


def _key(session: Session, change: Change) -> str:
    """The document of a lasting answer: the command, a newline, the workspace."""
    return f"{change.command}\n{session.workspace}"


def _option(option: str) -> PermissionOption:
    kind = "reject_once" if option in NO else "allow_once"
    return PermissionOption(option_id=option, name=option.capitalize(), kind=kind)
