"""A model from the hub: whole, resumed, cut, wrong or not there."""

from pathlib import Path

import pytest

from naestro.engines.catalogue import Catalogue
from naestro.errors import ChecksumMismatch, DownloadFailed
from tests.models.conftest import CONTENT, Puller, left_behind
from tests.support.hub import Hub

pytestmark = pytest.mark.anyio


@pytest.fixture
def puller(hub: Hub) -> Puller:
    return Puller(hub_url=hub.url)


def leave_unfinished(cache: Path, content: bytes, notes: str | None = '{"etag":"\\"v1\\""}') -> None:
    """As if an earlier pull had been cut short."""
    folder = cache / "models" / "unfinished"
    folder.mkdir(parents=True)
    (folder / "tiny.hub").write_bytes(content)
    if notes is not None:
        (folder / "tiny.hub.json").write_text(notes)


async def test_the_file_stands_under_its_final_name_for_its_owner_alone(puller: Puller, cache: Path) -> None:
    path = await puller("hub")
    assert path == cache / "models" / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert left_behind(cache) == set()


async def test_progress_grows_up_to_the_whole(puller: Puller) -> None:
    await puller("hub")
    assert puller.done == sorted(puller.done)
    assert puller.done[-1] == len(CONTENT)
    assert {step.total_bytes for step in puller.told} == {len(CONTENT)}
    assert puller.texts == ["Verifying the SHA-256.", "tiny is here, and whole."]


async def test_a_cut_connection_goes_on_where_it_broke(puller: Puller, hub: Hub) -> None:
    hub.cut_after = [100_000, 50_000]
    assert (await puller("hub")).read_bytes() == CONTENT
    assert len(hub.ranges) == 3
    assert hub.ranges[0] is None
    assert hub.conditions[1:] == ['"v1"', '"v1"']


async def test_a_hub_that_breaks_off_again_and_again_is_given_up_and_the_rest_kept(
    puller: Puller, hub: Hub, cache: Path
) -> None:
    hub.cut_after = [40_000, 40_000, 40_000, 40_000]
    with pytest.raises(DownloadFailed, match="The model hub is not reachable: ") as caught:
        await puller("hub")
    assert "kept" in caught.value.hint
    assert left_behind(cache) == {"tiny.hub", "tiny.hub.json"}
    assert not (cache / "models" / "tiny.gguf").exists()
    assert (await puller("hub")).read_bytes() == CONTENT
    assert hub.ranges[4] == "bytes=160000-"
    assert left_behind(cache) == set()


async def test_a_later_pull_fetches_only_what_is_missing(puller: Puller, hub: Hub, cache: Path) -> None:
    leave_unfinished(cache, CONTENT[:123_456])
    assert (await puller("hub")).read_bytes() == CONTENT
    assert hub.ranges == ["bytes=123456-"]


async def test_a_file_that_changed_at_the_hub_is_fetched_anew(puller: Puller, hub: Hub, cache: Path) -> None:
    leave_unfinished(cache, b"x" * 123_456, notes='{"etag":"\\"v0\\""}')
    assert (await puller("hub")).read_bytes() == CONTENT
    assert hub.conditions == ['"v0"']


async def test_a_hub_without_ranges_starts_again(puller: Puller, hub: Hub, cache: Path) -> None:
    leave_unfinished(cache, b"x" * 123_456)
    hub.ignores_range = True
    assert (await puller("hub")).read_bytes() == CONTENT


@pytest.mark.parametrize("notes", [None, "{", '{"etag":1}'])
async def test_unfinished_bytes_without_notes_are_not_trusted(
    puller: Puller, hub: Hub, cache: Path, notes: str | None
) -> None:
    leave_unfinished(cache, b"x" * 123_456, notes)
    assert (await puller("hub")).read_bytes() == CONTENT
    assert hub.ranges == [None]


async def test_more_unfinished_bytes_than_the_file_has_are_not_used(
    puller: Puller, hub: Hub, cache: Path
) -> None:
    leave_unfinished(cache, CONTENT + b"x")
    assert (await puller("hub")).read_bytes() == CONTENT
    assert hub.ranges == [None]


async def test_a_whole_unfinished_file_is_only_verified(puller: Puller, hub: Hub, cache: Path) -> None:
    leave_unfinished(cache, CONTENT)
    assert (await puller("hub")).read_bytes() == CONTENT
    assert hub.ranges == []


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
async def test_without_a_strong_tag_nothing_is_resumed(
    puller: Puller, hub: Hub, cache: Path, etag: str
) -> None:
    hub.etag = etag
    hub.cut_after = [40_000]
    with pytest.raises(DownloadFailed):
        await puller("hub")
    assert left_behind(cache) == {"tiny.hub"}
    assert (await puller("hub")).read_bytes() == CONTENT
    assert hub.ranges == [None, None]


async def test_wrong_bytes_are_thrown_away(puller: Puller, hub: Hub, cache: Path) -> None:
    hub.content = bytes(len(CONTENT))
    with pytest.raises(ChecksumMismatch, match="What came from the model hub is not the file of tiny"):
        await puller("hub")
    assert left_behind(cache) == set()
    assert not (cache / "models" / "tiny.gguf").exists()


async def test_wrong_bytes_before_a_resumed_end_are_thrown_away(puller: Puller, cache: Path) -> None:
    leave_unfinished(cache, b"x" * 123_456)
    with pytest.raises(ChecksumMismatch):
        await puller("hub")
    assert left_behind(cache) == set()


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
async def test_a_file_of_another_size_is_not_even_begun(puller: Puller, hub: Hub, size: int) -> None:
    hub.content = bytes(size)
    with pytest.raises(
        DownloadFailed, match=f"The model hub has another file: {size} bytes, not {len(CONTENT)}"
    ):
        await puller("hub")
    assert puller.done == []


async def test_a_file_without_end_is_stopped(puller: Puller, hub: Hub, cache: Path) -> None:
    hub.content = bytes(len(CONTENT) + 100_000)
    hub.says_length = False
    with pytest.raises(DownloadFailed, match="another file: more than 300000 bytes"):
        await puller("hub")
    assert left_behind(cache) == set()


async def test_a_file_that_ends_early_without_a_word_is_refused(puller: Puller, hub: Hub) -> None:
    hub.content = CONTENT[:-1]
    hub.says_length = False
    with pytest.raises(DownloadFailed, match="The model hub ended after 299999 of 300000 bytes"):
        await puller("hub")


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_a_refusal_is_told_with_its_status(puller: Puller, hub: Hub, status: int) -> None:
    hub.status = status
    with pytest.raises(DownloadFailed, match=f"The model hub refused: {status} "):
        await puller("hub")


async def test_a_shorter_file_at_the_hub_ends_what_was_begun(puller: Puller, hub: Hub, cache: Path) -> None:
    leave_unfinished(cache, CONTENT[:123_456])
    hub.content = CONTENT[:1000]
    with pytest.raises(DownloadFailed, match="The model hub refused: 416 "):
        await puller("hub")
    assert left_behind(cache) == set()


async def test_a_part_that_does_not_fit_is_refused(puller: Puller, hub: Hub, cache: Path) -> None:
    leave_unfinished(cache, CONTENT[:123_456])
    hub.garbles_range = True
    with pytest.raises(DownloadFailed, match="The model hub refused: 206 "):
        await puller("hub")


async def test_a_hub_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(DownloadFailed, match="The model hub is not reachable: "):
        await Puller()("hub")


async def test_a_person_who_is_offline_by_choice_asks_no_hub(
    puller: Puller, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE is set, so the model hub is not asked"):
        await puller("hub")
    assert hub.ranges == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert (await puller("hub")).read_bytes() == CONTENT


async def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(DownloadFailed, match="The model hub is not reachable: "):
        await Puller(hub_url="http://[")("hub")


async def test_the_catalogues_address_is_used_without_a_mirror(hub: Hub) -> None:
    own = Puller()
    own.catalogue = Catalogue(hub.url, own.catalogue.models)
    own.hub_url = ""
    assert (await own("hub")).read_bytes() == CONTENT
