"""The doctor: each thing that can be wrong is found, said in one line, and has a hint."""

import sys
from pathlib import Path

import pytest

from naestro.commands import doctor
from naestro.commands.doctor import Check, diagnose
from naestro.config import (
    EmbeddedSettings,
    EngineSettings,
    Flags,
    RoleSettings,
    RolesSettings,
    Settings,
    home,
)
from naestro.errors import ConfigError
from naestro.runs.lock import hold_lock
from tests.support.llama_server import write_program
from tests.support.scripted_server import ScriptedServer
from tests.support.unprivileged import unprivileged

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAESTRO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NAESTRO_CACHE", str(tmp_path / "cache"))


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


async def test_everything_is_looked_at(scripted_server: ScriptedServer) -> None:
    settings = Settings(
        engines={"near": EngineSettings(base_url=scripted_server.base_url, flavour="llama.cpp")},
        embedded=EmbeddedSettings(llama_server="wheel"),
    )
    found = by_name(await diagnose(settings))
    assert list(found) == [
        "python",
        "platform",
        "processor",
        "memory",
        "home",
        "cache",
        "disk",
        "disk of the cache",
        "journal",
        "models",
        "index",
        "isolation",
        "flags",
        "llama.cpp",
        "engine near",
    ]
    assert [check for check in found.values() if not check.is_ok] == []
    assert found["journal"].detail == "none yet"
    assert found["models"].detail.startswith("none in ")
    assert found["llama.cpp"].detail.startswith("wheel ")


async def test_without_any_engine_it_says_how_to_get_one() -> None:
    check = by_name(await diagnose(Settings()))["engines"]
    assert (check.is_ok, check.detail) == (False, "there is none")
    assert "naestro models pull" in check.hint


async def test_an_engine_that_does_not_answer_is_told(unused_port: int) -> None:
    settings = Settings(engines={"gone": EngineSettings(base_url=f"http://127.0.0.1:{unused_port}/v1")})
    check = by_name(await diagnose(settings))["engine gone"]
    assert not check.is_ok
    assert "nothing answers there" in check.detail


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_role_whose_engine_isolation_forbids_is_told() -> None:
    settings = Settings(
        isolated=True,
        engines={"far": EngineSettings(base_url="https://example.org/v1")},
        roles=RolesSettings(proposer=RoleSettings(engines=("far",))),
    )
    found = by_name(await diagnose(settings))
    assert found["isolation"].detail == "on: nothing leaves this machine"
    assert not found["engines"].is_ok
    assert "Isolation mode forbids the engine far" in found["engines"].detail


async def test_a_flag_for_what_is_not_there_is_told() -> None:
    check = by_name(await diagnose(Settings(flags=Flags(voice_enabled=True))))["flags"]
    assert not check.is_ok
    assert check.detail.startswith("VOICE_ENABLED:")


async def test_a_llama_server_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    program = write_program(tmp_path, "old")
    settings = Settings(embedded=EmbeddedSettings(llama_server=str(program)))
    check = by_name(await diagnose(settings))["llama.cpp"]
    assert not check.is_ok
    assert "is build 4000" in check.detail


async def test_the_llama_server_that_is_used_is_named_with_its_version(tmp_path: Path) -> None:
    program = write_program(tmp_path, "serving")
    settings = Settings(embedded=EmbeddedSettings(llama_server=str(program)))
    check = by_name(await diagnose(settings))["llama.cpp"]
    assert check.detail.startswith(f"llama-server b9999 ({program}). The setting")


def test_the_holder_of_the_journal_is_named() -> None:
    (home() / "journal.db").write_bytes(b"x" * 200_000)
    with hold_lock(home(), "naestro orchestrate"):
        check = doctor.check_journal(home())
    assert check.is_ok
    assert check.detail.startswith("0.2 MB, held by `naestro orchestrate` (process ")


def test_a_folder_that_cannot_be_written_is_told() -> None:
    with unprivileged() as folder:
        folder.chmod(0o500)
        check = doctor.check_folder("home", folder)
        folder.chmod(0o700)
    assert not check.is_ok
    assert check.detail == f"{folder} cannot be written: Permission denied"


def test_a_folder_that_cannot_be_made_is_told_with_its_hint() -> None:
    def fail() -> Check:
        raise ConfigError("The folder /x cannot be made.", hint="Mend it.")

    assert doctor.guarded(fail) == Check("folders", False, "The folder /x cannot be made.", "Mend it.")


@pytest.mark.parametrize(
    "check",
    [
        doctor.check_python((3, 10, 9)),
        doctor.check_platform("win32"),
        doctor.check_processor(["avx2"]),
        doctor.check_memory(1000),
        doctor.check_disk("disk", Path.cwd(), min_bytes=1 << 60),
    ],
    ids=lambda check: check.name,
)
def test_what_is_missing_fails_with_a_hint(check: Check) -> None:
    assert not check.is_ok
    assert check.detail
    assert check.hint


def test_the_free_memory_is_what_programs_may_still_take(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable: 7 kB\n")
    assert doctor.free_memory_bytes(meminfo) == 7 * 1024
    assert doctor.free_memory_bytes(tmp_path / "none") > doctor.MEMORY_MIN_BYTES


def test_this_python_and_this_system_are_fine() -> None:
    assert doctor.check_python(sys.version_info[:3]).is_ok
    assert doctor.check_platform(sys.platform).is_ok
