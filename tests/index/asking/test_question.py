"""A question taken apart."""

from naestro.index.asking.question import TERMS_MAX, asked


def test_names_written_as_code_are_found_with_their_last_part() -> None:
    names = asked("why does `append` fail in Journal.append or retry_policy, std::move?").names
    assert names >= {"append", "Journal.append", "retry_policy", "std.move", "move"}
    assert "fail" not in names


def test_a_question_that_is_a_name_says_so() -> None:
    assert asked("Journal.append").is_name
    assert asked("`retry_policy()`").is_name
    assert asked("session").names == {"session"}
    assert not asked("retry policy").is_name
    assert not asked("").is_name


def test_what_is_asked_for_is_not_set_back() -> None:
    assert asked("which tests cover the journal").places == {"tests"}
    assert asked("the docs and the YAML of an example").places == {"documents", "data", "examples"}
    assert asked("append an event").places == frozenset()


def test_files_that_are_named_are_known() -> None:
    named = asked("look at runs/journal.py:12 please").named
    assert any(one.is_path("core/runs/journal.py") and one.start == 12 for one in named)


def test_terms_are_shown_as_they_were_written() -> None:
    question = asked("Retries of the RetryPolicy")
    assert question.words["retry"] == "Retries"
    assert question.words["policy"] == "RetryPolicy"


def test_a_long_text_is_cut_to_its_first_terms() -> None:
    assert len(asked(" ".join(f"word{number}x" for number in range(500))).terms) == TERMS_MAX
