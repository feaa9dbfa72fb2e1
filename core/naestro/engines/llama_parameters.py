"""What a llama.cpp server is started with, whichever build it is.

`llama_child` sets it on the wheel's server, `llama_server` says it as flags of the native one; `supervisor` fills it
in. Each tuned number is a constant here with its reason. It starts nothing and imports nothing.
"""

from dataclasses import asdict, dataclass
from typing import TypedDict

BATCH_TOKENS = 64
"""A request that is cancelled while its prompt is read ends with its batch. Measured on one thread: 64 frees the slot
of a 1.5B model in 1.95 s, 128 in 3.8 s, and neither reads faster (34.6 and 34.9 tokens a second; 32 costs a tenth)."""

NGRAM_MATCH = 8
NGRAM_MIN = 4
NGRAM_MAX = 24
"""Speculation from n-grams of the prompt: an edit repeats most of what it was shown, and comes 1.8 times as fast."""

LOG_VERBOSITY = 3
"""llama.cpp's default: says why a start failed, never what was asked."""


class Fields(TypedDict):
    """`Parameters` as one JSON object."""

    model: str
    port: int
    api_key: str
    slots: int
    context_tokens: int
    threads: int
    slot_folder: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """One start of one server; the key is new at each."""

    model: str
    """Path of the GGUF file."""
    port: int
    """On 127.0.0.1, never anywhere else."""
    api_key: str
    slots: int
    """Requests that are answered at once."""
    context_tokens: int
    """Tokens that one slot holds, prompt and answer together."""
    threads: int
    slot_folder: str
    """Where the server keeps the states of slots that it is told to save."""

    @property
    def total_context_tokens(self) -> int:
        """What llama.cpp calls the context: it divides it among the slots."""
        return self.slots * self.context_tokens

    def fields(self) -> Fields:
        """As one JSON object."""
        return Fields(**asdict(self))
