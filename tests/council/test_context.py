"""The context: named files first, then what the search finds, cut to the room."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naestro.config import RoleSettings, RolesSettings, Settings
from naestro.council.budget import estimate_tokens
from naestro.council.context import Context
from naestro.council.excerpt import excerpt, words_of
from naestro.council.prefix import Prefix, build_prefix, fence
from naestro.council.task import Named, Task, named_ranges
from naestro.errors import InputError
from naestro.index.spans import Span
from naestro.tools.places import PIECE_LINES, show_spans
from tests.council.desk import QUICK, Desk, council, desk_in
from tests.support.scripted_server import ScriptedServer

ONE = council(proposers=1)


def span(start: int, count: int, path: str = "a.py") -> Span:
    """Lines of a file."""
    text = "\n".join(f"line {number}" for number in range(start, start + count))
    return Span(path=path, start=start, end=start + count - 1, text=text, why="", score=1.0)


async def context_of(desk: Desk, text: str, command: str = "orchestrate", **task: object) -> Context:
    """The recorded context of a run on a task."""
    done = await desk.run(command, text=text, **task)
    return await done.output("retrieve", Context)


def shown(context: Context) -> list[str]:
    """The places in a context."""
    return [f"{one.path}:{one.start}-{one.end}" for one in context.spans]


@pytest.mark.anyio
class TestRetrieving:
    """The step over a real workspace."""

    @pytest.mark.parametrize(
        ("text", "places"),
        [
            ("What does calc.py do?", ["calc.py:1-6"]),
            ("What does calc.py:4-5 do?", ["calc.py:4-5"]),
            ("What does calc.py#L6 do?", ["calc.py:6-6"]),
            ("What about `calc.py`, calc.py and calc.py:99?", ["calc.py:1-6"]),
        ],
    )
    async def test_a_named_file_or_range_is_shown(
        self, tmp_path: Path, scripted_server: ScriptedServer, text: str, places: list[str]
    ) -> None:
        async with desk_in(tmp_path, ONE, scripted_server.base_url) as desk:
            assert shown(await context_of(desk, text))[: len(places)] == places

    async def test_the_end_of_a_path_is_enough_where_it_is_the_only_one(
        self, tmp_path: Path, scripted_server: ScriptedServer
    ) -> None:
        async with desk_in(tmp_path, ONE, scripted_server.base_url) as desk:
            for folder in ("deep", "deep/one", "deep/two"):
                (desk.workspace / folder).mkdir()
                (desk.workspace / folder / "twin.py").write_text(f"where = {folder!r}\n")
            (desk.workspace / "deep" / "lone.py").write_text("alone = 1\n")
            assert (await context_of(desk, "Is lone.py alone?")).paths[0] == "deep/lone.py"
            assert "twin.py" not in str((await context_of(desk, "Is xtwin.py a twin?")).paths[:1])

    async def test_a_folder_stands_for_its_files(
        self, tmp_path: Path, scripted_server: ScriptedServer
    ) -> None:
        async with desk_in(tmp_path, ONE, scripted_server.base_url) as desk:
            folder = desk.workspace / "pack"
            (folder / "below").mkdir(parents=True)
            for number in range(9):
                (folder / f"m{number}.py").write_text(f"number = {number}\n")
            (folder / "below" / "a.py").write_text("below = 1\n")
            (folder / "empty.py").write_text("")
            (folder / "binary.py").write_bytes(b"\x00\x01")
            paths = (await context_of(desk, "pack/", command="explain")).paths
            assert paths[0] == "pack/m0.py"
            assert "pack/below/a.py" not in paths[:6]
            assert (await context_of(desk, ".", command="explain")).paths[0] == "calc.py"

    async def test_what_is_ignored_or_secret_is_never_shown(
        self, tmp_path: Path, scripted_server: ScriptedServer
    ) -> None:
        async with desk_in(tmp_path, ONE, scripted_server.base_url) as desk:
            (desk.workspace / ".gitignore").write_text("hidden.py\n")
            (desk.workspace / "hidden.py").write_text("password = 1\n")
            (desk.workspace / ".env").write_text("TOKEN=hush\n")
            context = await context_of(desk, "What do hidden.py, .env and calc.py say of password and TOKEN?")
            assert not {"hidden.py", ".env"} & set(context.paths)
            assert "hush" not in scripted_server.chats[0].last

    @pytest.mark.parametrize("name", [f"{'a' * 300}.py", f"b/{'c' * 300}"])
    async def test_a_name_that_no_file_can_have_is_no_defect(
        self, tmp_path: Path, scripted_server: ScriptedServer, name: str
    ) -> None:
        async with desk_in(tmp_path, ONE, scripted_server.base_url) as desk:
            done = await desk.run("orchestrate", text=f"What are {name} and calc.py?")
            assert done.steps["retrieve"] == "finished"
            done = await desk.run("explain", text="Explain it", files=[name])
            assert done.history.fault is not None
            assert done.history.fault.code != "internal"

    async def test_a_named_file_that_is_not_there_is_no_error_when_it_may_be_made(
        self, tmp_path: Path, scripted_server: ScriptedServer
    ) -> None:
        async with desk_in(tmp_path, ONE, scripted_server.base_url) as desk:
            done = await desk.run("orchestrate", text="Write new.py that prints")
            assert done.steps["retrieve"] == "finished"
            done = await desk.run("orchestrate", text="Mend it", files=["new.py"])
            assert done.history.fault is not None
            assert done.history.fault.code == "missing_file"

    async def test_the_context_is_cut_to_the_room_of_the_settings(
        self, tmp_path: Path, scripted_server: ScriptedServer
    ) -> None:
        async with desk_in(
            tmp_path, council(proposers=1, context_tokens=200), scripted_server.base_url
        ) as desk:
            long = '"""Head."""\n' + "\n".join(f"def f{n}():\n    return {n}\n" for n in range(200))
            (desk.workspace / "long.py").write_text(long)
            context = await context_of(desk, "What does long.py do with calc.py?")
            assert 0 < estimate_tokens(show_spans(context.spans)) <= 220
            assert shown(context)[0].startswith("long.py:1-")
            assert context.left_out >= 0

    async def test_what_the_search_finds_is_cut_or_counted_where_there_is_no_room(
        self, tmp_path: Path, scripted_server: ScriptedServer
    ) -> None:
        settings = council(proposers=1, context_tokens=150)
        async with desk_in(tmp_path, settings, scripted_server.base_url) as desk:
            for number in range(3):
                body = "\n".join(f"    unicorn_{n} = {n}" for n in range(40))
                (desk.workspace / f"m{number}.py").write_text(f"def unicorn():\n{body}\n")
            context = await context_of(desk, "Where is the unicorn kept at home?")
            assert len(context.spans) == 1
            assert context.spans[0].end < 41
            assert context.left_out > 0

    async def test_the_smallest_engine_sets_the_room(
        self, tmp_path: Path, scripted_server: ScriptedServer
    ) -> None:
        roles = RolesSettings(proposer=RoleSettings(max_tokens=64))
        settings = Settings(council=QUICK, roles=roles)
        async with desk_in(tmp_path, settings, scripted_server.base_url, context_tokens=700) as desk:
            (desk.workspace / "long.py").write_text("\n".join(f"value_{n} = {n}" for n in range(500)))
            context = await context_of(desk, "What does long.py say?")
            assert 0 < estimate_tokens(show_spans(context.spans)) < 240

    async def test_no_room_shows_no_code(self, tmp_path: Path, scripted_server: ScriptedServer) -> None:
        async with desk_in(
            tmp_path, council(proposers=1, context_tokens=0), scripted_server.base_url
        ) as desk:
            context = await context_of(desk, "What does calc.py do?")
        assert context.spans == []
        assert context.examples == ("src/main.py:3-7", "src/main.py:9-12")
        assert "No code was found for this task." in scripted_server.chats[0].last


class TestExcerpts:
    """Which lines are shown where there is no room for all."""

    LINES = (
        '"""What it is for."""',
        "",
        "import os",
        "import sys",
        "",
        "LIMIT = 3",
        "",
        *[
            line
            for n in range(30)
            for line in (f"def f{n}():", f'    """Does {n}."""', f"    return os.name * {n}", "")
        ],
        "# here lives the unicorn",
    )

    def test_a_file_that_fits_is_shown_whole(self) -> None:
        assert excerpt(self.LINES, 10_000) == [(1, len(self.LINES))]
        assert excerpt([], 10) == []

    def test_head_and_definitions_come_first(self) -> None:
        ranges = excerpt(self.LINES, 100)
        chosen = {number for first, last in ranges for number in range(first, last + 1)}
        assert 1 in chosen
        assert {8, 9} <= chosen
        assert 3 not in chosen

    def test_lines_that_speak_of_the_task_are_shown_with_their_neighbours(self) -> None:
        ranges = excerpt(self.LINES, 120, words_of("Where does the Unicorn live?"))
        assert ranges[-1] == (len(self.LINES) - 2, len(self.LINES))

    def test_one_blank_line_does_not_part_a_range(self) -> None:
        assert excerpt(["a = 1", "", "b = 2", "x" * 400], 20) == [(1, 3)]

    @given(
        st.lists(
            st.sampled_from(["def f():", "    x = 1", "", "# task", "import a", "LIMIT = 2"]), max_size=40
        ),
        st.integers(0, 120),
    )
    def test_what_is_shown_fits_and_is_in_order(self, lines: list[str], room: int) -> None:
        ranges = excerpt(lines, room, {"task"}, 4)
        flat = [number for first, last in ranges for number in range(first, last + 1)]
        assert flat == sorted(set(flat))
        assert all(1 <= number <= len(lines) for number in flat)
        filled = [number for number in flat if lines[number - 1].strip()]
        assert sum(estimate_tokens(lines[number - 1]) for number in filled) <= room


class TestPrompts:
    """What every role reads."""

    def test_code_is_shown_in_pieces_under_places_that_can_be_copied(self) -> None:
        text = show_spans([span(5, PIECE_LINES + 1), span(2, 1, "b.py")])
        assert text.startswith("(a.py:5-16)\nline 5\n")
        assert "\n\n(a.py:17-17)\nline 17\n\n(b.py:2-2)\nline 2" in text

    def test_a_piece_of_blank_lines_is_left_out(self) -> None:
        blank = Span(path="a.py", start=1, end=13, text="\n" * PIECE_LINES + "x", why="", score=1.0)
        assert show_spans([blank]) == "(a.py:13-13)\nx"

    def test_the_same_context_gives_the_same_prefix(self) -> None:
        assert build_prefix("Do", [span(1, 3)]) == build_prefix("Do", [span(1, 3)])

    @given(st.text(alphabet="abcdef0123456789<>code \n", max_size=300))
    def test_no_text_can_close_its_fence(self, text: str) -> None:
        fenced = fence("code", text)
        mark = fenced.removeprefix("<<<code ").split("\n", 1)[0]
        assert mark not in text
        assert fenced == f"<<<code {mark}\n{text}\n{mark} code>>>"

    def test_a_text_that_holds_its_own_mark_gets_another(self) -> None:
        from naestro.council import prefix

        class Inside(str):
            """A text that seems to hold whatever is looked for, once."""

            asked: list[str] = []

            def __contains__(self, part: str) -> bool:
                self.asked.append(part)
                return len(self.asked) == 1

        text = Inside("x")
        fenced = prefix.fence("code", text)
        assert len(set(text.asked)) == 2
        assert text.asked[1] in fenced

    def test_a_message_that_a_person_rewrote_is_sent_in_one_piece(self) -> None:
        prefix = Prefix(system="s", body="b")
        assert [one.content for one in prefix.messages("mine", "m")] == ["s", "mine"]
        assert [one.content for one in prefix.messages("b\n\nm\n\nask", "m")] == ["s", "b", "m", "ask"]

    def test_wide_characters_count_more(self) -> None:
        assert estimate_tokens("漢字" * 30) > estimate_tokens("ab" * 30)


class TestTasks:
    """What a person typed."""

    @pytest.mark.parametrize(
        ("text", "wants"),
        [
            ("Why?", "answer"),
            ("Explain a.py", "answer"),
            ("where is x", "answer"),
            ("Rename it, ok?", "answer"),
            ("add a flag", "change"),
            ("Fix: it fails", "change"),
            ("The parser fails on empty lists", "either"),
        ],
    )
    def test_what_a_task_wants_is_told_by_its_form(self, text: str, wants: str) -> None:
        assert Task(text=text).wants == wants

    def test_names_of_files_are_read_with_their_lines(self) -> None:
        assert named_ranges("see `a/b.py:3-9`, c.py#L4-L6 (d.py:2). ...") == [
            Named(path="see"),
            Named(path="a/b.py", start=3, end=9),
            Named(path="c.py", start=4, end=6),
            Named(path="d.py", start=2, end=2),
        ]

    def test_the_target_is_the_task_of_explain(self) -> None:
        assert Task.of({"target": "a.py"}).words == "a.py"

    def test_an_empty_task_is_refused(self) -> None:
        with pytest.raises(InputError, match="The task is empty"):
            Task.of({"text": " \n"})
