"""What the wheel needs of a processor, and how its absence is said."""

import os
import sys
from pathlib import Path

import pytest

from naestro.engines import cpu

FULL = frozenset({"fpu", "avx2", "fma", "f16c"})


def test_a_processor_with_everything_lacks_nothing() -> None:
    assert cpu.missing_instructions("x86_64", FULL) == []


def test_what_is_missing_is_named_in_the_order_of_what_is_needed() -> None:
    assert cpu.missing_instructions("AMD64", frozenset({"fpu", "f16c"})) == ["avx2", "fma"]


def test_an_arm_processor_needs_nothing_beyond_its_base() -> None:
    assert cpu.missing_instructions("arm64", frozenset({"neon"})) == []


def test_where_the_system_does_not_tell_the_start_itself_will() -> None:
    assert cpu.missing_instructions("x86_64", frozenset()) == []


def test_this_machine_runs_the_wheel() -> None:
    assert cpu.missing_instructions() == []


def test_the_flags_of_linux_are_those_of_its_first_processor(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: Fast One\nflags\t\t: fpu AVX2 fma\n\nflags\t\t: other\n"
    )
    assert cpu.linux_flags(cpuinfo) == {"fpu", "avx2", "fma"}
    assert cpu.processor_name(cpuinfo) == "Fast One"


def test_a_machine_without_that_file_tells_nothing(tmp_path: Path) -> None:
    assert cpu.linux_flags(tmp_path / "none") == frozenset()
    assert cpu.processor_name(tmp_path / "none") != ""


def test_a_processor_without_a_name_is_called_by_its_kind(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\n")
    assert cpu.processor_name(cpuinfo) != ""


def test_the_flags_of_macos_come_from_a_command() -> None:
    words = (sys.executable, "-c", "print('FPU FMA'); print('AVX2')")
    assert cpu.mac_flags(words) == {"fpu", "fma", "avx2"}
    assert cpu.mac_flags(("/nowhere/sysctl",)) == frozenset()


def test_the_system_of_this_machine_is_asked_in_its_own_way() -> None:
    asked = cpu.mac_flags() if sys.platform == "darwin" else cpu.linux_flags(cpu.CPUINFO)
    assert cpu.processor_flags() == asked
    assert cpu.flags_of("darwin") == cpu.mac_flags()


@pytest.mark.parametrize(
    ("quota", "cores"), [("100000 100000\n", 1), ("50000 100000\n", 1), ("max 100000\n", None), (None, None)]
)
def test_a_share_of_the_processor_limits_the_cores(
    tmp_path: Path, quota: str | None, cores: int | None
) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)
    everything = cpu.usable_cores(tmp_path / "none")
    assert cpu.usable_cores(file) == (cores or everything)
    assert 1 <= everything <= (os.cpu_count() or 1)


@pytest.mark.parametrize("missing", [["avx2"], ["avx2", "fma"]])
def test_the_refusal_names_each_instruction(missing: list[str]) -> None:
    sentence = cpu.refusal(missing)
    assert all(name.upper() in sentence for name in missing)
    assert sentence.endswith(".")
