"""The pure views that make up the projection: plan, thoughts, steps, answer, small words."""

from naestro.client.api import seconds, usage_words
from naestro.types import StepKind, Usage
from naestro_acp.answer import Citation, Result, Verdict, Voice, answer_text, linked, read_result
from naestro_acp.plan import Plan
from naestro_acp.steps import Finding, Output, read_output, shown, title_of
from naestro_acp.thoughts import Thoughts
from naestro_acp.words import RAW_BYTES_MAX, TEXT_CHARS_MAX, cut, raw_json, size


def stages(plan: Plan) -> list[tuple[str, str]]:
    return [(entry.content, entry.status) for entry in plan.entries()]


def test_a_plan_follows_its_steps_and_drops_what_was_not_needed() -> None:
    plan = Plan.of("orchestrate", {"council": {"proposers": 2}})
    plan.begin(StepKind.RETRIEVE, "retrieve")
    assert stages(plan)[:2] == [
        ("Look for the code that matters", "in_progress"),
        ("Propose: 0 of 2", "pending"),
    ]
    plan.end(StepKind.RETRIEVE, "retrieve")
    plan.begin(StepKind.PROPOSE, "propose.1")
    plan.end(StepKind.PROPOSE, "propose.1")
    assert stages(plan)[1] == ("Propose: 1 of 2", "in_progress")
    plan.begin(StepKind.PROPOSE, "propose.2")
    plan.end(StepKind.PROPOSE, "propose.2")
    plan.is_waiting = True
    assert stages(plan)[-1] == ("Apply the change: waits for a yes", "in_progress")
    plan.close()
    assert stages(plan) == [("Look for the code that matters", "completed"), ("Propose: 2 of 2", "completed")]


def test_a_plan_has_only_the_stages_of_its_command_and_settings() -> None:
    assert len(Plan.of("orchestrate", {"council": {"proposers": 1}}).stages) == 5
    assert StepKind.APPLY not in Plan.of("explain", {}).stages
    assert StepKind.CRITIQUE not in Plan.of("explain", {"council": {"critics": 0}}).stages
    judge = Plan.of("judge", {"council": "odd"})
    judge.begin(StepKind.CRITIQUE, "critique.1")
    assert list(judge.stages) == [
        StepKind.RETRIEVE,
        StepKind.PROPOSE,
        StepKind.EXECUTE,
        StepKind.CRITIQUE,
        StepKind.ADJUDICATE,
    ]
    judge.end(StepKind.APPLY, "apply")
    assert StepKind.APPLY not in judge.stages


def test_one_model_has_the_floor_and_the_others_follow() -> None:
    thoughts = Thoughts()
    thoughts.begin("propose.1", "One")
    thoughts.begin("propose.2", "Two")
    assert thoughts.live("propose.2", "c2", "first") == "**Two**\n\nfirst"
    assert thoughts.live("propose.1", "c1", "later ") == ""
    assert thoughts.live("propose.2", "c2", " more") == " more"
    assert thoughts.live("propose.1", "c1", "on") == ""
    assert thoughts.end("propose.2") == "\n\n**One**\n\nlater on"
    assert thoughts.end("propose.1") == ""
    assert thoughts.end("judge.1") == ""
    assert thoughts.live("judge.1", "c3", "{}") == ""


def test_a_text_is_told_once_whether_it_came_live_or_recorded() -> None:
    thoughts = Thoughts()
    thoughts.begin("propose.1", "One")
    assert thoughts.journalled("propose.1", "c", "ab") == "**One**\n\nab"
    assert thoughts.live("propose.1", "c", "cd") == "cd"
    assert thoughts.journalled("propose.1", "c", "cd") == ""
    assert thoughts.journalled("propose.1", "c", "ef") == "ef"


def test_a_step_that_starts_again_speaks_under_its_new_heading() -> None:
    thoughts = Thoughts()
    thoughts.begin("propose.1", "One (alpha)")
    thoughts.live("propose.1", "c", "broken")
    thoughts.begin("propose.1", "One (beta)")
    assert thoughts.live("propose.1", "d", "whole") == "\n\n**One (beta)**\n\nwhole"


def test_titles_say_what_a_step_does() -> None:
    assert title_of("propose.2", "alpha") == "Proposal 2 (alpha)"
    assert title_of("execute.merged", None) == "Check the merged proposal"
    assert title_of("some_other.step", None) == "Some other step"


def test_findings_and_votes_are_shown_with_their_places() -> None:
    findings = [
        Finding(path="a.py", line=3, claim="wrong", severity="major", standing="checked"),
        Finding(path="a.py", line=3, claim="wrong too", severity="minor", standing="verified"),
        Finding(claim="ugly", severity="minor", standing="opinion"),
    ]
    seen = shown(StepKind.CRITIQUE, Output(findings=findings), "/w")
    assert [(one.path, one.line) for one in seen.locations] == [("/w/a.py", 3)]
    assert seen.content[0].content.text.splitlines()[-1] == "- minor, opinion: ugly"
    assert shown(StepKind.CRITIQUE, Output(), "/w").content[0].content.text == "Nothing was found."
    vote = shown(StepKind.ADJUDICATE, Output(reason="a tie"), "/w")
    assert vote.content[0].content.text == "no vote: a tie"
    assert shown(StepKind.ADJUDICATE, Output(), "/w").content == []
    assert shown(StepKind.APPLY, Output(paths=["a.py"]), "/w").title == "Changed a.py"
    assert shown(StepKind.APPLY, Output(), "/w").title is None
    tests = shown(StepKind.EXECUTE, Output(command="pytest", output="1 passed"), "/w")
    assert tests.content[0].content.text == "`pytest`\n\n```text\n1 passed\n```"
    assert read_output(b"[1, 2]") == Output()


def test_citations_become_links_but_not_in_code() -> None:
    cited = [Citation("a b.py", 1, 4), Citation("c.py", 2, 2)]
    text = "See a b.py:1-4, `c.py:2` and c.py:20.\n```\nc.py:2\n```\n"
    assert linked(text, cited, "/w") == (
        "See [a b.py:1-4](file:///w/a%20b.py#L1:4), [`c.py:2`](file:///w/c.py#L2:2) and c.py:20.\n```\nc.py:2\n```\n"
    )
    assert linked("as it is", [], "/w") == "as it is"


def test_a_result_says_first_what_was_lost_and_last_how_sure_it_is() -> None:
    result = Result(
        answer="Yes.",
        patch="+x\n",
        citations_removed=2,
        verdict=Verdict(
            "propose.1",
            "tied",
            "By vote.",
            ["propose.1", "propose.2"],
            [Voice("judge.1", "propose.2", "no\nway")],
        ),
        findings=[Finding("a.py", 1, "wrong", "major", "checked")],
        warnings=["Given with less."],
    )
    assert answer_text(result, "/w", "r").splitlines() == [
        "> ⚠ Given with less.",
        "",
        "Yes.",
        "",
        "```diff",
        "+x",
        "```",
        "",
        "- major, checked: `a.py:1` wrong",
        "",
        "- 2 citations named lines that do not exist and were removed",
        "- Verdict: propose.1, tied. By vote.",
        "- Tied: propose.1, propose.2",
        "- Dissent of judge.1 for propose.2: no way",
        "- No file was changed",
    ]
    bare = Result(answer="Yes.", verdict=Verdict("synthesize", "collected", "Two found one."))
    assert answer_text(bare, "/w", "r") == "Yes.\n\n- Two found one."
    assert answer_text(Result(answer="Yes."), "/w", "r") == "Yes."
    assert read_result(b"[]").answer == "```json\n[]\n```"


def test_words_for_people_are_short() -> None:
    assert [seconds(80), seconds(12_400), seconds(185_000)] == ["0.08 s", "12.4 s", "3 min 5 s"]
    assert usage_words(Usage()) == ""
    assert usage_words(Usage(812, 143, 700, 0.5)) == "812 + 143 tokens, 700 cached, $0.5000"
    assert usage_words(Usage(1, 2)) == "1 + 2 tokens"
    assert [size(812e6), size(4.7e9)] == ["812 MB", "4.7 GB"]


def test_raw_output_is_cut_to_a_sane_size() -> None:
    assert raw_json(b'{"a": [1, "b"]}') == {"a": [1, "b"]}
    assert raw_json(b"no json") == "no json"
    assert cut("a" * (TEXT_CHARS_MAX + 1)).endswith(f"\n… ({TEXT_CHARS_MAX + 1} characters in all)")
    many = ("[" + ",".join(['"' + "a" * 3000 + '"'] * 50) + "]").encode()
    assert len(str(raw_json(many))) < RAW_BYTES_MAX
