"""The critics: JSON by a schema with bounded tries, and findings that are checked."""

from pathlib import Path

import pytest

from naestro.council import critique
from naestro.council.execute import Evidence
from naestro.council.verdict import Finding, Findings
from naestro.types import encode
from tests.council.desk import CRITIC, PATCH, Desk, council, desk_in, findings, script
from tests.council.made import change
from tests.support.answers import fail, say
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.anyio

FAULT = {"proposal": "A", "severity": "major", "path": "calc.py", "line": 6, "claim": "it subtracts"}


async def found(desk: Desk) -> list[Finding]:
    """The findings of critique.1 in a run on a question."""
    done = await desk.run("explain", text="calc.py")
    return (await done.output("critique.1", Findings)).findings


@pytest.mark.parametrize(
    ("changes", "standing", "place"),
    [
        ({}, "checked", ("calc.py", 6)),
        ({"path": "(calc.py:4-6)", "line": 0}, "checked", ("calc.py", 4)),
        ({"path": "calc.py:4-6", "line": 5}, "checked", ("calc.py", 5)),
        ({"line": 99}, "opinion", ("calc.py", 99)),
        ({"line": 0}, "opinion", ("calc.py", 0)),
        ({"path": "gone.py"}, "opinion", ("gone.py", 6)),
        ({"path": "", "line": 0}, "opinion", ("", 0)),
        ({"path": "the file calc.py", "line": 6}, "opinion", ("the file calc.py", 6)),
    ],
)
async def test_a_finding_counts_as_far_as_its_line_exists(
    tmp_path: Path,
    scripted_server: ScriptedServer,
    changes: dict[str, object],
    standing: str,
    place: tuple[str, int],
) -> None:
    script(scripted_server)
    scripted_server.when(CRITIC, findings({**FAULT, **changes}))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        (finding,) = await found(desk)
    assert (finding.standing, (finding.path, finding.line)) == (standing, place)
    assert (finding.critic, finding.candidate) == ("critique.1", "propose.1")


async def test_a_wrong_answer_is_told_and_asked_again(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    wrong = [say("no JSON"), findings({**FAULT, "severity": "awful"})]
    scripted_server.when(CRITIC, lambda _: wrong.pop(0) if wrong else findings(FAULT))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        assert len(await found(desk)) == 1
    first, second, third = [chat for chat in scripted_server.chats if CRITIC in chat.last]
    assert second.last.startswith(first.last)
    assert "Your last answer could not be used: JSON is malformed" in second.last
    assert "Invalid enum value 'awful'" in third.last
    assert "JSON is malformed" not in third.last
    assert [chat.body["seed"] - first.body["seed"] for chat in (first, second, third)] == [0, 1, 2]
    schema = first.body["response_format"]["json_schema"]["schema"]
    assert "maxLength" not in str(schema)
    assert schema["properties"]["findings"]["items"]["properties"]["proposal"]["enum"] == ["A", "B"]


async def test_a_critic_that_never_follows_the_schema_is_dropped(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    scripted_server.when(CRITIC, say('{"findings": [{"proposal', finish_reason="length"))
    async with desk_in(tmp_path, council(schema_retries=1), scripted_server.base_url) as desk:
        done = await desk.run("explain", text="calc.py")
        result = await done.result()
    assert sum(CRITIC in chat.last for chat in scripted_server.chats) == 2
    assert done.steps["critique.1"] == "dropped"
    assert result.verdict.winner == "merged"
    assert (
        "gave no answer that fits the schema in 2 tries: it was cut at the token limit" in result.warnings[0]
    )


async def test_an_answer_that_the_token_limit_cut_in_its_last_string_is_taken(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    cut = findings(FAULT).text[: -len('ts"}]}')]
    scripted_server.when(CRITIC, say(cut, finish_reason="length"))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        (finding,) = await found(desk)
    assert finding.claim == "it subtrac"
    assert sum(CRITIC in chat.last for chat in scripted_server.chats) == 1


async def test_a_finding_on_a_proposal_that_is_not_there_is_asked_again(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    answers = [findings({**FAULT, "proposal": "Q"}), findings()]
    scripted_server.when(CRITIC, lambda _: answers.pop(0))
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        assert await found(desk) == []
    assert "there is no proposal 'Q', only A, B" in scripted_server.chats[3].last


async def test_a_critic_whose_engine_fails_is_given_another_engine(tmp_path: Path) -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        for server in (one, two):
            script(server)
        one.when(CRITIC, fail(500))
        two.when(CRITIC, findings(FAULT))
        async with desk_in(tmp_path, council(), one.base_url, two.base_url) as desk:
            assert len(await found(desk)) == 1


async def test_critics_that_do_not_fit_any_context_are_left_out_and_said(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    script(scripted_server)
    long = say("- (calc.py:1): " + "wonderful " * 300)
    scripted_server.when("Answer the task with 2 to 4", lambda chat: long if chat.number % 2 else say("x"))
    async with desk_in(tmp_path, council(), scripted_server.base_url, context_tokens=1500) as desk:
        done = await desk.run("explain", text="calc.py")
        result = await done.result()
    assert "critique.1" not in done.steps
    assert result.warnings[0].startswith("Given with less: Nobody took the role critic: ")


async def test_a_line_of_the_changed_file_can_be_cited(
    tmp_path: Path, scripted_server: ScriptedServer
) -> None:
    longer = PATCH.replace("    return left + right", "    both = left, right\n    return sum(both)")
    patches = [PATCH, longer]
    scripted_server.when("Make the change that the task asks for", lambda _: patches.pop())
    scripted_server.when(CRITIC, findings({**FAULT, "line": 7}, {**FAULT, "proposal": "B", "line": 7}))
    scripted_server.when("Write the one best change", PATCH)
    async with desk_in(tmp_path, council(), scripted_server.base_url) as desk:
        run = await desk.start("orchestrate", {"text": "Make add in calc.py add"})
        status = await desk.answering(run, "orchestrate", "no")
        done = await desk.done(run, status)
        checked = (await done.output("critique.1", Findings)).findings
    assert sorted(finding.standing for finding in checked) == ["checked", "opinion"]


def test_a_finding_at_the_place_of_failed_evidence_is_verified() -> None:
    evidence = Evidence(check="tests", is_passed=False, detail="test_add fails", path="a.py", line=3)
    candidate = change("propose.1", fails=evidence)
    raw = encode({"findings": [{**FAULT, "severity": "blocker", "path": "a.py", "line": 3}]})
    (fault,) = critique.faults_in({"A": candidate}, raw)
    finding = critique.check("critique.1", fault, candidate, {"a.py": 9}.get)
    assert finding.standing == "verified"
