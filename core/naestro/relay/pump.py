"""`naestro acp`, `naestro mcp`: move bytes between the editor's pipes and the daemon; each request gets an answer.

`naestro.__main__` above calls `main`. One loop waits for all that can happen (`select.poll`), nothing is buffered
beyond `BUFFER_BYTES` a direction and one line that is not whole yet, and nothing but protocol reaches standard output.
When the daemon is lost the editor's open requests are answered with errors and another daemon is reached; what opened
the connection is said to it again. It knows of the protocol what `lines` reads, and changes no message.
"""

import os
import select
import time
from _socket import SHUT_WR, socket

from naestro.relay.lines import Lines, Piece
from naestro.relay.memory import AGAIN, LOST, LOST_HINTS, STOPPED, STOPPED_HINTS, Memory, error_line
from naestro.relay.places import Places, Trouble, find_places
from naestro.relay.start import Hello, Patience, reach

STDIN, STDOUT = 0, 1
READ_BYTES = 1 << 16
BUFFER_BYTES = 1 << 18
"""When this much waits for one side, the other side is not read: whoever writes too fast has to wait."""
EXIT_INTERRUPTED = 130
EOF_S = 0.7
"""How long answers may still come after the editor closed its side; an editor expects the end within a second."""
LOSSES_MAX = 3
"""A daemon that was lost so often in a row, without a word from it, is not tried again for the same requests."""
BROKEN = select.POLLERR | select.POLLNVAL
RETRY_S = 2.0
"""How long a failure to reach a daemon answers for later requests too."""


class EditorGone(Exception):
    """Nobody is there any more."""


class Relay(Patience):
    """One editor's connection, over all daemons that serve it."""

    def __init__(self, protocol: str, trouble: Trouble | None = None) -> None:
        """With a final `trouble` no daemon is reached for: every request is answered with it."""
        self._protocol = protocol
        self._places: Places | None = None
        self._connection: socket | None = None
        self._trouble = trouble
        """Why there is no connection, where the last try failed."""
        self._memory = Memory()
        self._losses = 0
        self._is_first = True
        self._early: list[bytes] = []
        """What the editor wrote while the daemon was being reached."""
        self._from_editor, self._from_daemon = Lines(), Lines()
        self._to_daemon, self._to_editor = bytearray(), bytearray()
        self._after_replay = bytearray()
        """What waits until the new daemon has answered `initialize`."""
        self._swallowed = ""
        """The id of a repeated `initialize`, whose answer the editor has already."""
        self._is_dropping = False
        """The rest of the editor's line is for a daemon that is gone."""
        self._own = bytearray()
        """Answers of the relay that wait for the end of a long line."""
        self._ends_at: float | None = None
        """When the relay ends at the latest; set when the editor closed its side."""
        self._is_eof = False
        """All that the editor wrote has been read."""
        self._is_shut = False
        """The daemon was told so."""
        self._failed_at = 0.0

    def run(self) -> int:
        """Relay until the editor is gone; 1 where no daemon could be reached at the end."""
        try:
            if self._trouble is None:
                self._reach()
            while not self._is_over():
                self._turn()
        except EditorGone:
            pass
        return 1 if self._connection is None and self._trouble is not None else 0

    def wait(self, descriptor: "int | None", timeout_s: float) -> bool:
        """As `Patience`, while the editor is listened to. Raises `EditorGone`."""
        until = time.monotonic() + timeout_s
        while True:
            ready = self._poll({descriptor: select.POLLIN} if descriptor is not None else {}, until)
            if ready.get(STDIN) and (data := self._read_editor()):
                self._early.append(data)
            if self._is_eof and not self._early:
                raise EditorGone
            if descriptor is not None and ready.get(descriptor):
                return True
            if time.monotonic() >= until:
                return False

    def _poll(self, wanted: "dict[int, int]", until: "float | None") -> "dict[int, int]":
        """Wait for `wanted` and for the editor; what is ready. Raises `EditorGone`."""
        events = {STDOUT: select.POLLOUT if self._to_editor else 0, **wanted}
        if not self._is_eof and (self._has_room() or self._ends_at is None):
            events[STDIN] = select.POLLIN if self._has_room() else 0
        poll = select.poll()
        for descriptor, event in events.items():
            poll.register(descriptor, event)
        times = [at for at in (until, self._ends_at) if at is not None]
        ready = dict(poll.poll(max(0.0, min(times) - time.monotonic()) * 1000 if times else None))
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            raise EditorGone
        if ready.get(STDOUT, 0) & BROKEN:
            raise EditorGone
        if ready.get(STDIN) and not events[STDIN]:
            # It hung up while there was no room for what it wrote.
            self._ends_at = time.monotonic() + EOF_S
            del ready[STDIN]
        return ready

    def _has_room(self) -> bool:
        waiting = len(self._to_daemon) + len(self._after_replay) + sum(map(len, self._early))
        return waiting < BUFFER_BYTES

    def _read_editor(self) -> bytes:
        try:
            data = os.read(STDIN, READ_BYTES)
        except OSError:  # pragma: no cover - a terminal that is gone
            data = b""
        if not data:
            self._is_eof = True
            self._ends_at = self._ends_at or time.monotonic() + EOF_S
        return data

    def _is_over(self) -> bool:
        """Whether the editor closed its side and there is nothing left to tell it."""
        is_idle = self._connection is None and not self._to_editor and not self._early
        return self._ends_at is not None and is_idle

    def _turn(self) -> None:
        """Wait for something to happen, and do it."""
        while self._early:
            self._take(self._early.pop(0))
        wanted: dict[int, int] = {}
        connection = self._connection
        if connection is not None:
            reads = select.POLLIN if len(self._to_editor) < BUFFER_BYTES else 0
            writes = select.POLLOUT if self._to_daemon else 0
            if reads or writes:
                wanted[connection.fileno()] = reads | writes
        ready = self._poll(wanted, None)
        if connection is not None and (events := ready.get(connection.fileno(), 0)):
            self._serve_connection(connection, events)
        if ready.get(STDOUT, 0) & select.POLLOUT:
            self._write_editor()
        # While another daemon was reached, standard input may have been read.
        if ready.get(STDIN) and connection is self._connection:
            self._take(self._read_editor())
        self._shut_when_done()

    def _serve_connection(self, connection: socket, events: int) -> None:
        try:
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                data = connection.recv(READ_BYTES)
                if not data:
                    self._lose()
                    return
                for piece in self._from_daemon.feed(data):
                    self._pass_to_editor(piece)
            if events & select.POLLOUT:
                sent = connection.send(bytes(self._to_daemon[:READ_BYTES]))
                del self._to_daemon[:sent]
        except BlockingIOError:  # pragma: no cover - said to be ready, and then it was not
            pass
        except OSError:
            self._lose()

    def _write_editor(self) -> None:
        """Write as much as cannot block: the pipe is shared with the editor, so it is left in its own mode."""
        try:
            written = os.write(STDOUT, bytes(self._to_editor[: select.PIPE_BUF]))
        except OSError:
            raise EditorGone from None
        del self._to_editor[:written]

    def _shut_when_done(self) -> None:
        """After the editor's end of file: let the daemon have its own when it has all the rest."""
        if self._is_eof and not self._early:
            for piece in self._from_editor.end():
                self._pass_to_daemon(piece)
        is_waiting = self._to_daemon or self._after_replay or self._early
        if self._connection is None or not self._is_eof or is_waiting or self._is_shut:
            return
        self._is_shut = True
        try:
            self._connection.shutdown(SHUT_WR)
        except OSError:  # pragma: no cover - macOS says so of a connection that the daemon has just ended
            self._lose()

    def _take(self, data: bytes) -> None:
        for piece in self._from_editor.feed(data):
            self._pass_to_daemon(piece)

    def _pass_to_daemon(self, piece: Piece) -> None:
        if self._connection is None and piece.is_start and self._is_worth_a_try(piece):
            self._reach()
        if self._connection is None or self._is_dropping:
            self._drop(piece)
            return
        data = self._memory.from_editor(piece)
        (self._after_replay if self._swallowed else self._to_daemon).extend(data)

    def _is_worth_a_try(self, piece: Piece) -> bool:
        """Whether this line is reason enough to reach for a daemon that was lost or did not start."""
        is_refused = self._trouble is not None and (
            self._trouble.is_final or time.monotonic() < self._failed_at + RETRY_S
        )
        is_asking = not piece.is_end or (piece.message is not None and piece.message.is_request)
        return is_asking and not is_refused and self._ends_at is None

    def _drop(self, piece: Piece) -> None:
        """The line cannot reach the daemon that it was for; a request gets its answer from here."""
        self._is_dropping = not piece.is_end
        message = piece.message
        self._memory.from_editor(piece)
        if message is not None and message.is_request and message.id is not None:
            self._answer([(message.id, self._memory.close(message.id))])

    def _pass_to_editor(self, piece: Piece) -> None:
        data = self._memory.from_daemon(piece)
        self._losses = 0
        message = piece.message
        if self._swallowed and message is not None and message.is_response and message.id == self._swallowed:
            self._swallowed = ""
            self._to_daemon += self._memory.said_again() + self._after_replay
            self._after_replay.clear()
            return
        if message is not None and (message.id or "").startswith(f'"{AGAIN}'):
            return
        self._to_editor += data
        if piece.is_end and self._own:
            self._to_editor += self._own
            self._own.clear()

    def _lose(self) -> None:
        """The daemon is gone: forget what was half said, reach another, answer what was open."""
        self._disconnect()
        self._losses += 1
        self._memory.lose_daemon()
        is_wanted = bool(self._memory.open) and self._ends_at is None and self._losses <= LOSSES_MAX
        is_stopped = self._places is not None and not os.access(self._places.relay_socket, os.F_OK)
        if is_wanted and (self._memory.is_opening or not is_stopped):
            self._reach()
        if self._ends_at is None:
            self._answer(self._memory.close_open(but_initialize=self._connection is not None))

    def _disconnect(self) -> None:
        assert self._connection is not None
        self._connection.close()
        self._connection = None
        self._to_daemon.clear()
        self._after_replay.clear()
        self._swallowed = ""
        self._is_dropping = self._is_dropping or self._from_editor.is_in_pieces
        if self._from_daemon.is_in_pieces:
            self._to_editor += b"\n"
        self._from_daemon = Lines()
        self._to_editor += self._own
        self._own.clear()

    def _answer(self, requests: "list[tuple[str, str | None]]") -> None:
        """Answer requests of the editor, each with the run that it is about, with an error each."""
        message, hints = (LOST, LOST_HINTS) if self._connection is not None else (STOPPED, STOPPED_HINTS)
        hint = hints.get(self._protocol, "")
        if self._connection is None and self._trouble is not None:
            message, hint = self._trouble.message, self._trouble.hint
        target = self._own if self._from_daemon.is_in_pieces else self._to_editor
        for request, run in requests:
            target.extend(error_line(request, message, hint, run))

    def _reach(self) -> None:
        """Connect to a daemon, started if need be, and open the protocol where it was open."""
        hello = Hello(self._protocol, is_replacing=self._is_first)
        try:
            self._places = self._places or find_places()
            self._connection = reach(self._places, hello, self)
        except Trouble as trouble:
            self._trouble, self._failed_at = trouble, time.monotonic()
            return
        self._is_first, self._trouble = False, None
        self._connection.setblocking(False)
        if self._memory.initialize:
            self._to_daemon += self._memory.initialize
            self._swallowed = self._memory.initialize_id if self._memory.is_initialized else ""


def main(protocol: str) -> int:
    """Be the relay of `protocol` until the editor is gone; the exit code."""
    try:
        return Relay(protocol).run()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def refuse(protocol: str, trouble: Trouble) -> int:
    """Answer every request with `trouble` until the editor is gone; the exit code."""
    return Relay(protocol, trouble).run()
