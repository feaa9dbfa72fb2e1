"""What one fetch brings: the model, the folder of unfinished files, and whom to tell.

`fetch` above makes a target and hands it to `fetch_hub` and `fetch_packages`; below it stands the catalogue. It
knows no source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from naestro.config import ModelSource
from naestro.engines.catalogue import Model

CHUNK_BYTES = 1_048_576
"""Read and written at once: large enough that a thread's switch costs nothing beside it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch is."""

    model: str
    done_bytes: int
    total_bytes: int
    source: ModelSource | None = None
    """Where the bytes come from; None while it waits or verifies."""
    text: str = ""
    """One sentence for the person, where there is something to say."""


OnProgress = Callable[[Progress], None]
"""Called often, from the task that fetches; it should return at once."""


@dataclass(frozen=True, slots=True)
class Target:
    """What one fetch brings."""

    model: Model
    folder: Path
    """Where unfinished files lie."""
    on_progress: OnProgress

    def unfinished(self, source: ModelSource) -> Path:
        """The file that grows while `source` is fetched; kept when that is cut short."""
        return self.folder / f"{self.model.name}.{source}"

    def notes(self, source: ModelSource) -> Path:
        """What must be known of the unfinished file to go on with it."""
        return self.folder / f"{self.model.name}.{source}.json"

    def report(self, done_bytes: int, source: ModelSource | None = None, text: str = "") -> None:
        """Tell how far it is."""
        self.on_progress(Progress(self.model.name, done_bytes, self.model.size_bytes, source, text))

    def forget(self, source: ModelSource) -> None:
        """Remove what `source` left unfinished."""
        self.unfinished(source).unlink(missing_ok=True)
        self.notes(source).unlink(missing_ok=True)
