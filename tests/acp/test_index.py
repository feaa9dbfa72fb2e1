"""A session opens the code index of its workspace, where the settings say so."""

from pathlib import Path

import pytest

from tests.acp.desk import NOTHING, Person, connected, core_in
from tests.support.processes import until

pytestmark = pytest.mark.anyio
WAIT_S = 30.0


@pytest.mark.parametrize("is_automatic", [True, False])
async def test_a_new_session_has_its_workspace_indexed_if_the_settings_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_automatic: bool
) -> None:
    workspace = tmp_path / "workspace"
    async with core_in(tmp_path, "", monkeypatch) as core:
        monkeypatch.setenv("NAESTRO_INDEX__AUTOMATIC", str(is_automatic))
        async with connected(core, Person(), workspace, NOTHING, None) as desk:
            await desk.open()
            folder = tmp_path / "cache" / "index"
            await until(lambda: folder.is_dir() and any(folder.iterdir()), WAIT_S)
            if is_automatic:
                await until(lambda: any(folder.glob("*/chunks.lance")), WAIT_S)
                async with core.index.update(str(workspace)) as steps:
                    assert [step.phase async for step in steps][-1] == "done"
            status = await core.index.status(str(workspace))
    assert (status.updated != "", status.files) == (is_automatic, int(is_automatic))
