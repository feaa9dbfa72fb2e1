"""The real embedded engine keeps what every engine promises."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from naestro.config import EmbeddedSettings, TimeoutSettings
from naestro.engines.embedded import EmbeddedEngine, Home, embedded_engine
from naestro.engines.engine import EngineInfo
from tests.engines.contract import EngineContract


@pytest.mark.engine
class TestEmbeddedContract(EngineContract):
    """The smallest model by the wheel's llama.cpp; started once for all tests of the class."""

    @pytest.fixture(scope="class")
    async def engine(
        self, smallest_model: Path, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
    ) -> AsyncIterator[EmbeddedEngine]:
        """The engine."""
        settings = EmbeddedSettings(llama_server="wheel", slots=3, context_tokens=2048)
        info = EngineInfo("small", "smollm2-135m", 0, is_local=True)
        async with anyio.create_task_group() as tasks:
            home = Home(tmp_path_factory.mktemp("engine") / "logs", tasks)
            engine = embedded_engine(info, smallest_model, settings, TimeoutSettings(), home)
            yield engine
            await engine.aclose()
