"""Which llama.cpp runs: a llama-server that is new enough and answers, else the wheel; each choice with its reason."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import anyio
import pytest

from naestro.engines import llama_server
from naestro.engines.bounded_output import output_of
from naestro.engines.llama_child import common_params
from naestro.engines.llama_parameters import Parameters
from naestro.engines.llama_server import (
    Checked,
    Program,
    check_program,
    choose_program,
    environment,
    flags,
    order_for,
)
from naestro.errors import EngineStartFailed
from tests.support.llama_server import write_program

pytestmark = pytest.mark.anyio

PARAMETERS = Parameters(
    model="/models/m.gguf",
    port=4321,
    api_key="the-key",
    slots=3,
    context_tokens=1000,
    threads=5,
    slot_folder="/slots/",
)
ENVIRONMENT = dict(os.environ)


async def test_the_setting_can_ask_for_the_wheel() -> None:
    program = await choose_program("wheel")
    assert program == Program(
        "wheel",
        sys.executable,
        version("xllamacpp"),
        "The setting embedded.llama_server asks for the wheel.",
    )


async def test_without_a_program_on_the_path_it_is_the_wheel(tmp_path: Path) -> None:
    program = await choose_program("auto", path=str(tmp_path))
    assert (program.kind, program.reason) == ("wheel", "No llama-server is on PATH.")


async def test_a_new_program_on_the_path_goes_before_the_wheel(tmp_path: Path) -> None:
    path = write_program(tmp_path, "serving")
    program = await choose_program("auto", path=str(tmp_path))
    assert (program.kind, program.path, program.version) == ("llama-server", str(path), "b9999")
    assert program.fallback is not None
    assert program.fallback.kind == "wheel"


async def test_an_old_program_on_the_path_is_passed_over_and_told(tmp_path: Path) -> None:
    write_program(tmp_path, "old")
    program = await choose_program("auto", path=str(tmp_path))
    assert program.kind == "wheel"
    assert "is build 4000; at least 9000 is needed." in program.reason


async def test_a_program_that_the_setting_names_is_taken(tmp_path: Path) -> None:
    path = write_program(tmp_path, "serving", name="my-server")
    program = await choose_program(str(path))
    assert program == Program(
        "llama-server", str(path), "b9999", "The setting embedded.llama_server names it."
    )


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("old", "is build 4000"), (None, "there is no such program, or it may not be run.")],
)
async def test_a_program_that_the_setting_names_and_cannot_be_used_is_an_error(
    tmp_path: Path, behaviour: str | None, reason: str
) -> None:
    path = write_program(tmp_path, behaviour) if behaviour else tmp_path / "none"
    with pytest.raises(EngineStartFailed) as caught:
        await choose_program(str(path))
    assert f"names {path}, which is not used:" in caught.value.message
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("new words", Checked("b9500")),
        ("unnumbered", Checked("a build without a number")),
        ("unnumbered and old", "does not know --spec-ngram-mod-n-match"),
        ("unnumbered and flooding", "--help did not end within 10 s"),
        ("nameless", "--version does not name a version of llama.cpp."),
    ],
)
async def test_a_program_says_what_it_is(tmp_path: Path, behaviour: str, told: Checked | str) -> None:
    checked = await check_program(str(write_program(tmp_path, behaviour)))
    if isinstance(told, str):
        assert isinstance(checked, str)
        assert told in checked
    else:
        assert checked == told


async def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    path = tmp_path / "llama-server"
    path.write_text("no program")
    path.chmod(0o755)
    checked = await check_program(str(path))
    assert checked == f"{path} cannot be started: Exec format error."


@pytest.mark.parametrize("behaviour", ["hanging", "flooding"])
async def test_a_program_that_does_not_come_to_an_end_is_cut(tmp_path: Path, behaviour: str) -> None:
    argv = [str(write_program(tmp_path, behaviour)), "--version"]
    with anyio.fail_after(30):
        answer = await output_of(argv, ENVIRONMENT, timeout_s=2, max_bytes=10_000)
    assert answer.is_cut


async def test_what_a_program_leaves_behind_is_killed_with_it(tmp_path: Path) -> None:
    from tests.support.processes import running, until

    mark = str(tmp_path / "mark")
    code = (
        "import subprocess, sys;"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}]); print('x')"
    )
    with anyio.fail_after(30):
        answer = await output_of([sys.executable, "-c", code], ENVIRONMENT, timeout_s=1, max_bytes=1000)
    assert answer.text == "x\n"
    await until(lambda: not any(mark in process.command for process in running()), within_s=2)


async def test_a_program_that_hangs_or_floods_is_told_in_one_sentence(tmp_path: Path) -> None:
    checked = await check_program(str(write_program(tmp_path, "flooding")))
    assert isinstance(checked, str)
    assert "--version did not end within 10 s and" in checked


async def test_nothing_runs_where_the_processor_cannot() -> None:
    with pytest.raises(EngineStartFailed) as caught:
        llama_server.wheel("No llama-server is on PATH.", missing=["avx2"])
    assert "This processor lacks AVX2" in caught.value.message
    assert "llama-server" in caught.value.hint


async def test_a_program_on_the_path_needs_no_wheel_behind_it() -> None:
    assert llama_server.wheel_or_none(missing=["avx2"]) is None


async def test_nothing_runs_without_the_wheel_installed() -> None:
    with pytest.raises(EngineStartFailed, match="nowhere-to-be-found is not installed"):
        llama_server.wheel("No llama-server is on PATH.", package="nowhere-to-be-found")


def test_the_wheel_is_told_by_a_line_and_the_program_by_flags() -> None:
    log = Path("/logs/e.log")
    wheel = order_for(Program("wheel", "/python", "1", ""), PARAMETERS, log)
    native = order_for(Program("llama-server", "/llama-server", "b1", ""), PARAMETERS, log)
    assert wheel.argv == ["/python", "-m", "naestro.engines.llama_child"]
    assert '"api_key": "the-key"' in wheel.first_line
    assert "LLAMA_API_KEY" not in wheel.environment
    assert native.argv == ["/llama-server", *flags(PARAMETERS)]
    assert native.environment["LLAMA_API_KEY"] == "the-key"
    assert native.first_line == ""
    assert not any("the-key" in word for word in [*wheel.argv, *native.argv])
    assert (wheel.log, wheel.scratch) == (native.log, native.scratch) == ("/logs/e.log", "/slots/")


def test_what_a_person_set_for_another_server_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_ARG_HOST", "0.0.0.0")
    monkeypatch.setenv("LLAMA_API_KEY", "theirs")
    monkeypatch.setenv("KEPT", "yes")
    found = environment()
    assert found["KEPT"] == "yes"
    assert not {"LLAMA_ARG_HOST", "LLAMA_API_KEY"} & found.keys()


def test_both_builds_are_told_the_same() -> None:
    params = common_params(PARAMETERS)
    said = dict(zip(flags(PARAMETERS)[::2], flags(PARAMETERS)[1::2], strict=False))
    pairs: dict[str, Callable[[], object]] = {
        "--model": lambda: params.model.path,
        "--host": lambda: ",".join(params.hostnames),
        "--port": lambda: params.port,
        "--parallel": lambda: params.n_parallel,
        "--ctx-size": lambda: params.n_ctx,
        "--threads": lambda: params.cpuparams.n_threads,
        "--threads-batch": lambda: params.cpuparams_batch.n_threads,
        "--batch-size": lambda: params.n_batch,
        "--ubatch-size": lambda: params.n_ubatch,
        "--cache-ram": lambda: params.cache_ram_mib,
        "--slot-save-path": lambda: params.slot_save_path,
        "--spec-ngram-mod-n-match": lambda: params.speculative.ngram_mod.n_match,
        "--spec-ngram-mod-n-min": lambda: params.speculative.ngram_mod.n_min,
        "--spec-ngram-mod-n-max": lambda: params.speculative.ngram_mod.n_max,
    }
    assert {flag: said[flag] for flag in pairs} == {flag: str(value()) for flag, value in pairs.items()}
    assert params.n_ctx == 3 * 1000


def test_the_wheels_server_is_open_to_the_key_alone() -> None:
    params = common_params(PARAMETERS)
    assert (params.hostnames, params.api_keys, params.ui) == (["127.0.0.1"], ["the-key"], False)
    assert params.offline
    assert params.endpoint_slots
    assert params.endpoint_metrics
