"""Slots and shared prefixes: who takes which slot, and that a prefix is read once."""

import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from naestro.engines.engine import Message
from naestro.engines.prefixes import PREFIX_MIN_CHARS, STATES_MAX, LlamaSlotFiles, Prefixes, shared_prefix
from naestro.engines.slots import Messages, Slot, Slots, common_length
from naestro.errors import ContextTooLong
from naestro.types import Usage

pytestmark = pytest.mark.anyio
WAIT_S = 5


def user(*texts: str) -> list[Message]:
    return [Message(role="user", content=text) for text in texts]


LONG = "code " * PREFIX_MIN_CHARS
SYSTEM = Message(role="system", content="Be brief.")


class Server:
    """A server whose slots and files are lists of what was read; held to what llama.cpp does."""

    def __init__(self) -> None:
        self.slots: dict[int, Messages] = {}
        self.files: dict[str, Messages] = {}
        self.read: list[tuple[Messages, Messages]] = []
        """Each prefix that was read, and what of it the slot had before."""
        self.can_save = True
        self.size_bytes = 100
        self.error: Exception | None = None

    async def save(self, slot: Slot, name: str) -> int | None:
        if not self.can_save:
            return None
        self.files[name] = self.slots[slot.id]
        return self.size_bytes

    async def load(self, slot: Slot, name: str) -> bool:
        if name not in self.files:
            return False
        self.slots[slot.id] = self.files[name]
        return True

    async def forget(self, name: str) -> None:
        del self.files[name]

    async def read_prefix(self, prefix: Messages, slot: Slot) -> Usage:
        await anyio.lowlevel.checkpoint()
        if self.error:
            raise self.error
        self.read.append((prefix, self.slots.get(slot.id, ())))
        self.slots[slot.id] = prefix
        return Usage(prompt_tokens=len(prefix), completion_tokens=1)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def prefixes(server: Server) -> Prefixes:
    return Prefixes(server, server.read_prefix, max_bytes=350)


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [("", "", 0), ("abc", "abd", 2), ("abc", "abc", 3), ("abc", "x", 0), ("ab", "abc", 2)],
)
def test_the_common_beginning_of_two_texts_is_counted(one: str, other: str, length: int) -> None:
    assert common_length(one, other) == length


async def test_a_request_takes_the_slot_that_remembers_most_of_it() -> None:
    slots = Slots(3)
    async with AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(slots.take(user(text))) for text in ("abcd", "abxx", "zzzz")]
    async with slots.take(user("abxy")) as slot:
        assert slot is taken[1]
    async with slots.take(user("zz")) as slot:
        assert slot is taken[2]


async def test_among_equal_slots_the_one_unused_longest_is_taken() -> None:
    slots = Slots(2)
    ids: list[int] = []
    for role in ("user", "assistant", "system"):
        async with slots.take([Message(role=role, content="nothing in common")]) as slot:
            ids.append(slot.id)
    assert ids == [0, 1, 0]


async def test_more_requests_than_slots_wait_for_one() -> None:
    slots = Slots(1)
    order: list[str] = []

    async def ask(name: str) -> None:
        async with slots.take(user(name)):
            order.append(f"{name} in")
            await anyio.lowlevel.checkpoint()
            order.append(f"{name} out")

    with anyio.fail_after(WAIT_S):
        async with anyio.create_task_group() as tasks:
            for name in "ab":
                tasks.start_soon(ask, name)
    assert order == ["a in", "a out", "b in", "b out"]


async def test_a_slot_comes_back_from_a_request_that_failed() -> None:
    slots = Slots(1)
    with pytest.raises(ContextTooLong):
        async with slots.take(user("a")):
            raise ContextTooLong("too long.")
    with anyio.fail_after(WAIT_S):
        async with slots.take(user("b")) as slot:
            assert slot.text == ""


@pytest.mark.parametrize(
    "messages",
    [
        [],
        user(LONG),
        [SYSTEM, *user(LONG)],
        user("short", "role"),
        [*user(LONG), Message(role="assistant", content="yes"), *user("more")],
    ],
)
def test_a_request_whose_form_says_no_prefix_has_none(messages: Sequence[Message]) -> None:
    assert shared_prefix(messages) == ()


def test_the_prefix_is_what_stands_before_the_last_of_two_user_messages() -> None:
    assert shared_prefix([SYSTEM, *user(LONG, "role")]) == (SYSTEM, *user(LONG))


async def test_a_prefix_is_read_once_for_all_slots_also_at_the_same_time(
    server: Server, prefixes: Prefixes
) -> None:
    prefix = (SYSTEM, *user(LONG))
    slots = [Slot(number) for number in range(3)]
    used: list[Usage | None] = []

    async def bring(slot: Slot) -> None:
        used.append(await prefixes.bring(prefix, slot))

    with anyio.fail_after(WAIT_S):
        async with anyio.create_task_group() as tasks:
            for slot in slots:
                tasks.start_soon(bring, slot)
    assert server.read == [(prefix, ())]
    assert set(server.slots.values()) == {prefix}
    assert sorted(used, key=lambda one: one is None) == [
        Usage(prompt_tokens=2, completion_tokens=1),
        None,
        None,
    ]


async def test_a_slot_that_has_the_prefix_already_loads_nothing(server: Server, prefixes: Prefixes) -> None:
    prefix, slot = tuple(user(LONG)), Slot(0)
    await prefixes.bring(prefix, slot)
    server.files.clear()
    assert await prefixes.bring(prefix, slot) is None
    assert await prefixes.bring((), slot) is None
    assert len(server.read) == 1


async def test_a_longer_prefix_is_read_on_from_a_shorter_one(server: Server, prefixes: Prefixes) -> None:
    short, long = tuple(user(LONG)), tuple(user(LONG, "proposals"))
    await prefixes.bring(short, Slot(0))
    await prefixes.bring(long, Slot(1))
    assert server.read == [(short, ()), (long, short)]


async def test_a_slot_that_has_the_shorter_one_needs_no_file(server: Server, prefixes: Prefixes) -> None:
    short, long = tuple(user(LONG)), tuple(user(LONG, "proposals"))
    slot = Slot(0)
    await prefixes.bring(short, slot)
    server.files.clear()
    await prefixes.bring(long, slot)
    assert server.read == [(short, ()), (long, short)]


async def test_a_longer_prefix_without_a_known_beginning_is_read_whole(
    server: Server, prefixes: Prefixes
) -> None:
    long = tuple(user(LONG, "proposals"))
    await prefixes.bring(long, Slot(0))
    assert server.read == [(long, ())]


async def test_a_slot_whose_prefix_was_overwritten_loads_it_again(server: Server, prefixes: Prefixes) -> None:
    short, long, slot = tuple(user(LONG)), tuple(user(LONG, "proposals")), Slot(0)
    await prefixes.bring(long, slot)
    assert await prefixes.bring(short, slot) is None
    assert slot.prefix == short
    server.slots[0] = short
    await prefixes.bring(long, slot)
    assert server.slots[0] == long
    await prefixes.bring((), slot)
    server.slots[0] = ()
    await prefixes.bring(long, slot)
    assert server.slots[0] == long
    assert len(server.read) == 1


async def test_where_saving_fails_each_slot_reads_for_itself(server: Server, prefixes: Prefixes) -> None:
    server.can_save = False
    prefix = tuple(user(LONG))
    assert await prefixes.bring(prefix, Slot(0)) is not None
    assert await prefixes.bring(prefix, Slot(1)) is None
    assert len(server.read) == 1


async def test_a_file_that_is_gone_is_made_again_by_the_next(server: Server, prefixes: Prefixes) -> None:
    prefix = tuple(user(LONG))
    await prefixes.bring(prefix, Slot(0))
    server.files.clear()
    assert await prefixes.bring(prefix, Slot(1)) is None
    assert await prefixes.bring(prefix, Slot(2)) is not None
    assert len(server.files) == 1


async def test_the_prefix_wanted_longest_ago_goes_when_there_are_too_many_bytes(
    server: Server, prefixes: Prefixes
) -> None:
    wanted = [tuple(user(LONG, str(number))) for number in range(3)]
    for prefix in wanted:
        await prefixes.bring(prefix, Slot(0))
    await prefixes.bring(wanted[0], Slot(1))
    await prefixes.bring(tuple(user(LONG, "new")), Slot(2))
    assert set(server.files.values()) == {wanted[0], wanted[2], tuple(user(LONG, "new"))}


async def test_a_prefix_larger_than_all_room_is_kept_alone(server: Server, prefixes: Prefixes) -> None:
    server.size_bytes = 1000
    for number in range(2):
        await prefixes.bring(tuple(user(LONG, str(number))), Slot(0))
    assert list(server.files.values()) == [tuple(user(LONG, "1"))]


async def test_files_of_a_server_that_is_gone_are_neither_saved_nor_loaded(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        files = LlamaSlotFiles(f"http://127.0.0.1:{closed.getsockname()[1]}", "key", tmp_path)
        assert await files.save(Slot(0), "name") is None
        assert not await files.load(Slot(0), "name")


async def test_a_forgotten_file_is_removed(tmp_path: Path) -> None:
    files = LlamaSlotFiles("http://127.0.0.1:1", "key", tmp_path)
    (tmp_path / "name").touch()
    await files.forget("name")
    await files.forget("name")
    assert list(tmp_path.iterdir()) == []


async def test_no_more_prefixes_than_a_fixed_number_are_kept(server: Server, prefixes: Prefixes) -> None:
    server.size_bytes = 1
    for number in range(STATES_MAX + 3):
        await prefixes.bring(tuple(user(LONG, str(number))), Slot(0))
    assert len(server.files) == STATES_MAX


async def test_a_prefix_that_cannot_be_read_is_tried_again_by_the_next(
    server: Server, prefixes: Prefixes
) -> None:
    prefix, slot = tuple(user(LONG)), Slot(0)
    server.error = ContextTooLong("too long.")
    with pytest.raises(ContextTooLong):
        await prefixes.bring(prefix, slot)
    assert slot.prefix == ()
    server.error = None
    assert await prefixes.bring(prefix, slot) is not None
