"""How other MCP servers are asked, how their answers are read, and which of their forms counts."""

import json
import re
import sys
from pathlib import Path

import pytest

from bench.mcp.answers import COUNTED, rows_of, scored
from bench.mcp.others import OTHERS, OURS, Server, any_of, longest, telling
from bench.retrieval.cases import Case, Target
from bench.retrieval.running import Asked

QUESTION = "Where does the (retry) policy decide how long a request waits?"
CASES = [Case("a", "retry policy", (Target("b.py"),)), Case("a", "how to draw", (Target("b.py"),))]
PROGRAM = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    arguments = asked.get("params", {}).get("arguments", {})
    found = {"a.py": ["1"], "b.py": ["2", "3"]} if "policy" in arguments.get("substring_pattern", "") else {}
    result = {"content": [{"type": "text", "text": json.dumps(found)}]}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""
"""A server that finds the same for each pattern with a word."""
ASKED = {other.peer.name: other for other in OTHERS}


def test_words_that_tell_nothing_are_not_asked() -> None:
    assert telling(QUESTION) == ["retry", "policy", "long", "request", "waits"]
    assert longest(QUESTION) == ["request", "policy", "retry"]
    assert telling("how is it") == ["how", "is", "it"]


def test_a_pattern_matches_each_word_and_no_other_sign() -> None:
    pattern = re.compile(any_of(["a.b", "retry"]))
    assert [bool(pattern.search(text)) for text in ("a.b", "axb", "retry")] == [True, False, True]


def test_serena_is_asked_in_code_alone_and_a_file_stands_once_for_each_match(tmp_path: Path) -> None:
    form = ASKED["serena"].forms[1]
    assert form.arguments(QUESTION, tmp_path)["substring_pattern"] == "(?i)request|policy|retry"
    said = {"a.py": ["  > 1: x"], "b.py": ["  > 2: y", "  > 9: z"]}
    result = {"content": [{"type": "text", "text": json.dumps(said)}]}
    assert list(form.files(result, tmp_path)) == ["a.py", "b.py", "b.py"]


def test_the_paths_of_an_answer_are_relative_to_the_work_tree(tmp_path: Path) -> None:
    (tmp_path / "retry.py").touch()
    (tmp_path / "retry").mkdir()
    lines = f"{tmp_path}/retry\n{tmp_path}/retry.py\nNo matches found"
    form = ASKED["server-filesystem"].forms[0]
    assert list(form.files({"content": [{"text": lines}]}, tmp_path)) == ["retry.py"]
    assert form.arguments("retry Policy", tmp_path)["pattern"] == "**/*{retry,policy}*"
    assert form.arguments("retry", tmp_path)["pattern"] == "**/*retry*"
    found = {"structuredContent": {"results": [{"file": "./a/b.py"}]}}
    assert list(ASKED["code-index"].forms[0].files(found, tmp_path)) == ["a/b.py"]


def test_the_form_that_finds_most_counts() -> None:
    good, fair, bad = (1.0,) * 6, (0.5,) * 6, (0.0,) * 6
    asked = [
        Asked("commits", "one", f"search_code: {OURS.name}", [good, good]),
        Asked("commits", "one", "serena: a word", [bad, bad]),
        Asked("commits", "one", "serena: any word", [fair, fair]),
    ]
    found = {row.name: row for row in rows_of(asked, "commits")}
    assert found["mcp: search_code, commits, file NDCG"].value == 1
    assert found["mcp: serena, commits, file NDCG"].value == 0.5
    assert found["mcp: serena, commits, file NDCG"].against.startswith("its best form: any word")
    gain = found["mcp: search_code, commits, file NDCG, more than serena"]
    assert (gain.value, gain.is_met) == (0.5, True)


def test_no_gain_is_no_goal_met() -> None:
    same = [(0.5,) * 6, (1.0,) * 6]
    asked = [
        Asked("commits", "one", f"search_code: {OURS.name}", same),
        Asked("commits", "one", "semble: 10 results", same),
    ]
    gains = [row for row in rows_of(asked, "commits") if "more than" in row.name]
    assert [row.is_met for row in gains] == [False] * 3


def test_each_form_of_a_server_is_asked_and_read_in_both_orders(tmp_path: Path) -> None:
    other = ASKED["serena"]
    start = [sys.executable, "-c", PROGRAM]
    found = dict(scored("serena", other.forms, other, lambda: Server(tmp_path, start), tmp_path, CASES))
    assert found.keys() == {
        f"serena: {form.name}{order}" for form in other.forms for order in ("", f", {COUNTED}")
    }
    assert [[one[1] for one in scores] for scores in found.values()] == [[0.5, 0.0], [1.0, 0.0]] * 2


def test_a_server_that_ends_is_told_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = ASKED["serena"]
    start = [sys.executable, "-c", "pass"]
    assert not list(scored("serena", other.forms, other, lambda: Server(tmp_path, start), tmp_path, CASES))
    assert "serena is left out of the answers" in capsys.readouterr().err
