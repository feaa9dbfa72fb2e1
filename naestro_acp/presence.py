"""What a client is told about a session besides its turns: modes, pickers, commands, title, and what is not used.

`agent` above asks for it; below stand `options`, `slash` and the mended connection. Nothing is sent before the answer
that names the session: updates go out behind it.
"""

from collections.abc import Sequence
from typing import TypedDict

from acp.helpers import update_agent_message_text

from acp import schema
from naestro.client.api import CallerClient
from naestro.errors import NaestroError
from naestro_acp import options
from naestro_acp.sdk_gaps import ClientConnection, NoticeUpdate, after_answer, send_update, shows_notices
from naestro_acp.sessions import Session
from naestro_acp.slash import available_commands

McpServer = schema.HttpMcpServer | schema.SseMcpServer | schema.AcpMcpServer | schema.McpServerStdio
Pickers = list[schema.SessionConfigOptionSelect | schema.SessionConfigOptionBoolean]


class State(TypedDict):
    """What each answer that opens a session says of it."""

    modes: schema.SessionModeState
    config_options: Pickers


class Presence:
    """One connection's way to tell a client about sessions."""

    def __init__(
        self, editor: ClientConnection, client: CallerClient, capabilities: schema.ClientCapabilities
    ) -> None:
        """Tell `editor`, which can do what `capabilities` say."""
        self._editor = editor
        self._client = client
        self._capabilities = capabilities

    async def open(self, session: Session, servers: Sequence[McpServer] | None) -> State:
        """The state of `session` for the answer; its commands and warnings follow behind it.

        Its workspace's index is made meanwhile, where the settings say so.
        """
        warnings = list(_warnings(session, servers or []))

        async def greet() -> None:
            await self._client.index.use(session.workspace)
            await self._tell_commands(session)
            for warning in [*warnings, *await self._lend(session)]:
                await self._warn(session, warning)

        after_answer(greet)
        return State(modes=options.mode_state(session), config_options=await self.pickers(session))

    async def _lend(self, session: Session) -> list[str]:
        """Have the editor's servers of tools known to whoever looks at them; what of them is off."""
        try:
            return await self._client.tooling.lend(session.id, session.workspace, session.mcp_servers)
        except NaestroError as error:
            return [f"The tools of your editor's MCP servers cannot be used: {error.message}"]

    async def pickers(self, session: Session) -> Pickers:
        """Every picker with its current value."""
        choices = await options.choices_in(self._client, session.workspace)
        return [*options.config_options(session, choices)]

    async def tell_pickers(self, session: Session) -> None:
        """That an option changed by another way than the picker."""
        pickers = await self.pickers(session)
        await self._editor.session_update(
            session.id,
            schema.ConfigOptionUpdate(session_update="config_option_update", config_options=pickers),
        )

    async def tell_mode(self, session: Session) -> None:
        """That the mode changed by another way than its own picker."""
        await self._editor.session_update(
            session.id,
            schema.CurrentModeUpdate(session_update="current_mode_update", current_mode_id=session.mode),
        )

    async def tell_title(self, session: Session) -> None:
        """What the session is called."""
        await self._editor.session_update(
            session.id,
            schema.SessionInfoUpdate(
                session_update="session_info_update", title=session.title, updated_at=session.updated
            ),
        )

    async def _tell_commands(self, session: Session) -> None:
        await self._editor.session_update(
            session.id,
            schema.AvailableCommandsUpdate(
                session_update="available_commands_update", available_commands=available_commands()
            ),
        )

    async def _warn(self, session: Session, sentence: str) -> None:
        if shows_notices(self._capabilities):
            await send_update(self._editor, session.id, NoticeUpdate(severity="warning", title=sentence))
        else:
            await self._editor.session_update(session.id, update_agent_message_text(f"> ⚠ {sentence}\n\n"))


def _warnings(session: Session, servers: Sequence[McpServer]) -> list[str]:
    """What the client handed over that is not used: one sentence each."""
    sentences = [
        f"The MCP server {server.name} is left out: servers are taken over stdio and streamable HTTP."
        for server in servers
        if not isinstance(server, schema.McpServerStdio | schema.HttpMcpServer)
    ]
    if session.additional_directories:
        names = ", ".join(session.additional_directories)
        sentences.append(f"Folders besides the session's own are not read in this version: {names}.")
    return sentences
