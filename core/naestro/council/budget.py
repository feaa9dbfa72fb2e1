"""How many tokens a text has, estimated on the safe side, and what room an engine leaves for the code context.

No engine is asked: a tokenizer differs from model to model, and one prompt serves them all. The estimate is meant to
be too high by a tenth to a quarter on code and English; an engine that still finds the request too long says so
(`ContextTooLong`) and the seat goes to another one.
"""

import re

CHARS_PER_TOKEN = 3.0
"""Characters of a prompt that make one token, at least; measured with code and Qwen 2.5: 3.4 to 3.9."""
TOKENS_PER_WIDE_CHAR = 1.5
"""Tokens of one character outside ASCII, at most, on average: CJK and emoji take one to three."""
ANSWER_TOKENS_MAX = 224
"""Most tokens of an answer in words, whatever the role may spend on a change: 110 words with their citations. A small
model that has nothing more to say repeats itself until it is stopped."""
MESSAGE_TOKENS = 16
"""What a chat template adds around a system and a user message."""

_WIDE = re.compile(r"[^\x00-\x7f]")


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` has, rather too many."""
    wide = len(_WIDE.findall(text))
    return int((len(text) - wide) / CHARS_PER_TOKEN + wide * TOKENS_PER_WIDE_CHAR) + 1


def request_tokens(*texts: str, max_tokens: int) -> int:
    """About how many tokens a request of `texts` needs, its answer included."""
    return sum(map(estimate_tokens, texts)) + MESSAGE_TOKENS + max_tokens
