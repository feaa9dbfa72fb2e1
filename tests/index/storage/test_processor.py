"""The processor is asked before LanceDB is loaded, which would die where it lacks instructions."""

from pathlib import Path

import pytest

from naestro.index.storage import processor
from naestro.index.storage.processor import lacking


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("fpu sse4_2 avx avx2 fma bmi2", ""),
        ("FPU SSE4.2 AVX1.0 AVX2 FMA", ""),
        ("fpu avx avx2", "no FMA,"),
        ("fpu avx fma fma4", "no AVX2,"),
        ("fpu sse4_2", "no AVX2 and no FMA,"),
    ],
)
def test_a_processor_says_what_it_lacks(flags: str, said: str) -> None:
    sentence = lacking("x86_64", flags)
    assert bool(sentence) == bool(said)
    assert said in sentence


@pytest.mark.parametrize("machine", ["arm64", "aarch64", "riscv64"])
def test_other_machines_lack_nothing(machine: str) -> None:
    assert lacking(machine, "") == ""


def test_this_machine_answers() -> None:
    assert isinstance(lacking(), str)


def test_the_flags_of_linux_are_read(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor : 0\nmodel name : Some\nflags\t\t: fpu avx2 fma\n\nprocessor : 1\nflags : other\n"
    )
    assert processor._flags_of_linux(file).split() == ["fpu", "avx2", "fma"]


def test_a_machine_that_does_not_tell_is_trusted(tmp_path: Path) -> None:
    assert processor._flags_of_linux(tmp_path / "none") == ""
    silent = tmp_path / "cpuinfo"
    silent.write_text("processor : 0\n")
    assert processor._flags_of_linux(silent) == ""
    assert lacking("x86_64", processor._or_trusted("")) == ""
