"""What a search is kept to: a file, a folder or a pattern of paths, and a language.

The same is said twice, for what is in memory or on the disk (`admits`) and for the table (`kept_to`, in
`storage.filters`): the table must leave out what does not count before it ranks, or the best two hundred of everything
would hide it. `store`, `recent`, `search` and the search of the files as they are take it from here.
"""

import re
from difflib import get_close_matches
from functools import lru_cache

from naestro.errors import InputError
from naestro.index.parsing.languages import LANGUAGES, TEXT, language_named, language_of
from naestro.types import Value

FREQUENT = ("python", "typescript", "javascript", "java", "go", "rust", "cpp", "csharp", "markdown")
"""Languages that a hint names: all would fill the screen."""
_UNTOLD = frozenset({"c", TEXT})
"""What `language_of` says of a header, and of a name that says nothing."""
_META = frozenset(r"\.^$+{}()|[]")
"""What means something to Python's and to Rust's regular expressions alike."""
_SIGNS = re.compile(r"\*\*/|/\*\*$|\*+|\?|\[[!^]?(?:\w-\w|[\w.])+\]|.", re.DOTALL)
_PLAIN = re.compile(r"[^*?\[]*")


class Only(Value, frozen=True):
    """What of a workspace is looked at; all of it where both are empty."""

    path: str = ""
    """A file, a folder, or a pattern as in `.gitignore` (`*.py`, `src/**/test_*.py`); from the workspace's root."""
    language: str = ""
    """As results name it: `python`, `markdown`."""

    def checked(self) -> "Only":
        """The same as it is compared; raises `InputError` for a language that nothing is written in here."""
        language = language_named(self.language) if self.language else ""
        if language is None:
            raise InputError(f"There is no language {self.language[:80]!r} here.", hint=_hint(self.language))
        path = self.path.removeprefix("./").rstrip("/")
        if not is_pattern(path):
            return Only("" if path == "." else path.lstrip("/"), language)
        try:
            _compiled(path)
        except re.error as error:
            raise InputError(f"{path[:80]!r} is no pattern of paths: {error.msg}.") from error
        return Only(path, language)

    def admits(self, path: str, language: str | None = None) -> bool:
        """Whether a file counts; its language is told by its name where nobody knows better."""
        if self.language and (language or language_of(path)) != self.language:
            return False
        if not self.path or path == self.path or path.startswith(f"{self.path}/"):
            return True
        return is_pattern(self.path) and _compiled(self.path).match(path) is not None

    def may_admit(self, path: str) -> bool:
        """Whether a file may count, as far as its name tells: of some what stands in it says their language."""
        return self.admits(path) or (self.admits(path, self.language) and language_of(path) in _UNTOLD)


EVERYTHING = Only()


def _hint(language: str) -> str:
    """The languages whose names are like this one, else those that are asked for most."""
    near = get_close_matches(language.lower()[:80], sorted(LANGUAGES), n=3, cutoff=0.5)
    if near:
        return f"Near it are {', '.join(near)}."
    return f"Known are {', '.join(FREQUENT)} and {len(LANGUAGES) - len(FREQUENT)} more."


def is_pattern(path: str) -> bool:
    """Whether `path` has signs that stand for others; a file may be called so all the same."""
    return not _PLAIN.fullmatch(path)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(expression(pattern))


def expression(pattern: str) -> str:
    """A pattern of paths as a regular expression for a whole path, the same to Python and to Rust.

    One with a slash counts from the root, one without at any depth; what it matches may be a folder.
    """
    lead = "" if "/" in pattern else "(.*/)?"
    return f"^{lead}{''.join(map(_said, _SIGNS.findall(pattern.lstrip('/'))))}(/.*)?$"


def _said(sign: str) -> str:
    if sign == "**/":
        return "(.*/)?"
    if sign == "/**":
        return "/.*"
    if sign.startswith("*"):
        return "[^/]*"
    if sign == "?":
        return "[^/]"
    if len(sign) > 1:
        return f"[^/{sign[2:]}" if sign[1] in "!^" else sign
    return f"\\{sign}" if sign in _META else sign
