"""What stays of an English word when it is bent: `policies` and `policy`, `decide`, `deciding` and `decided` are one.

Light on purpose: only plurals and verb endings go, since a longer cut makes one of words that a code base keeps apart.
"""

STEM_CHARS_MIN = 3
"""Letters that must stay: `ring` is no form of `r`."""

_VOWELS = "aeiouy"


def stem(word: str) -> str:
    """The stem of a word in lower case; a word of another language is left as it is, or nearly."""
    if len(word) <= STEM_CHARS_MIN or not word.isascii():
        return word
    return _bare(_verb(_singular(word)))


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y" if len(word) > len("flies") - 1 else word[:-1]
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _verb(word: str) -> str:
    if word.endswith("ied"):
        return f"{word[:-3]}y"
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= STEM_CHARS_MIN and any(letter in _VOWELS for letter in rest):
            return _undoubled(rest)
    return word


def _undoubled(word: str) -> str:
    """`cancell` as `cancel`: English doubles a consonant before an ending."""
    return word[:-1] if word[-1] == word[-2] and word[-1] not in "aeiousz" else word


def _bare(word: str) -> str:
    """Without the `e` that falls before an ending."""
    return word[:-1] if word.endswith("e") and len(word) > STEM_CHARS_MIN else word
