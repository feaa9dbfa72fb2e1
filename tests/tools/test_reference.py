"""The pages that are written from the code."""

from naestro.config import Settings
from tools import reference


def test_every_setting_stands_on_its_page_with_its_default_and_its_variable() -> None:
    page = reference.settings()
    assert "| `concurrency_max` | whole number, >= 1, <= 256 | `8` | `CONCURRENCY_MAX` |" in page
    assert "`NAESTRO_ROLES__JUDGE__TEMPERATURE`" in page
    assert [name for name in type(Settings().flags).model_fields if f"| `{name}` |" not in page] == []


def test_every_command_stands_on_its_page() -> None:
    page = reference.commands()
    assert "## `naestro orchestrate`" in page
    assert "## `naestro models pull`" in page
    assert "| 130 | CANCELLED |" in page


def test_a_bar_inside_a_cell_does_not_end_the_cell() -> None:
    assert reference.table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |\n"
