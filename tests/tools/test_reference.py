"""The pages that are written from the code."""

from naestro.config import Settings
from naestro.daemon.api import METHODS
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


def test_every_method_of_the_control_api_stands_on_its_page_with_its_params_and_errors() -> None:
    page = reference.control_api()
    assert [name for name in METHODS if f"## `{name}`" not in page] == []
    assert "| `limit` | integer, >= 1, <= 10000 | `50` | How many at most, newest first. |" in page
    assert "| `-32021` | `RunStateError` |" in page
    assert "### `GET /runs/{id}/events`" in page
