"""What git says of a workspace, asked without running anything that the repository's configuration names.

No hooks, no external diff, no text conversion, no content filter, no file system monitor, no network. `changed` above
asks for lists of paths and for the bytes of old versions; differences are made by `policy.diff`.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from naestro.config import environment_for_child
from naestro.errors import InputError
from naestro.policy.secrets import is_secret_variable
from naestro.policy.workspace import FILE_SIZE_MAX

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's name of a tree without files: what a repository without a commit is compared with."""
GIT_S = 30.0
"""Seconds for one question to git; a large tree takes a few."""
_SAFE = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.quotePath=false", "diff.external=")
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules=all", "--no-color")


@dataclass(frozen=True, slots=True)
class Git:
    """The repository that a workspace lies in; `open_git` makes one."""

    root: Path
    """The workspace's root: all paths are relative to it, and nothing outside it is named."""
    options: Sequence[str]

    async def revision(self, name: str) -> str | None:
        """The commit that `name` means, or None."""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        found = await self.ask(*asked)
        return None if found is None else found.decode().strip()

    async def merge_base(self, one: str, other: str) -> str | None:
        """The commit from which two commits went apart, or None."""
        found = await self.ask("merge-base", one, other)
        return None if found is None else found.decode().strip()

    async def changed(self, *revisions: str) -> list[str]:
        """The paths that differ between two commits, or between one and the files as they are."""
        raw = await self.ask("diff", "--name-only", "-z", "--relative", *_PLAIN, *revisions, "--")
        return _names(raw)

    async def untracked(self) -> list[str]:
        """The paths of files that git neither tracks nor ignores."""
        return _names(await self.ask("ls-files", "--others", "--exclude-standard", "-z"))

    async def blob(self, revision: str, path: str) -> bytes | None:
        """What a file said in a commit; None where it was not there, or is too large to be read."""
        name = f"{revision}:./{path}"
        size = await self.ask("cat-file", "-s", name)
        if size is None or int(size) > FILE_SIZE_MAX:
            return None
        return await self.ask("cat-file", "blob", name)

    async def ask(self, *arguments: str) -> bytes | None:
        """What git prints; None where it fails."""
        return await _ask(self.root, [*self.options, *arguments])


async def open_git(root: Path) -> Git:
    """The repository around `root`. Raises `InputError` where there is none, or no git."""
    options = [word for option in _SAFE for word in ("-c", option)]
    if await _ask(root, [*options, "rev-parse", "--is-inside-work-tree"]) != b"true\n":
        raise InputError(
            f"{root} lies in no git repository, so that nothing tells what was changed.",
            hint="Name a file to review, or run `git init` and commit first.",
        )
    names = _names(await _ask(root, [*options, "config", "--list", "-z", "--name-only"]))
    drivers = dict.fromkeys(
        name[len("filter.") :].rpartition(".")[0] for name in names if name.startswith("filter.")
    )
    for driver in drivers:
        for setting in ("clean=", "process=", "required=false"):
            options += ["-c", f"filter.{driver}.{setting}"]
    return Git(root, options)


async def _ask(root: Path, arguments: Sequence[str]) -> bytes | None:
    kept = {name: value for name, value in environment_for_child().items() if not is_secret_variable(name)}
    environment = {name: value for name, value in kept.items() if not name.startswith("GIT_")} | _ENVIRONMENT
    try:
        with anyio.fail_after(GIT_S):
            done = await anyio.run_process(
                ["git", "--no-pager", *arguments],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
    except FileNotFoundError as error:
        raise InputError(
            "There is no git on this machine.", hint="Install git, or name a file to review."
        ) from error
    except TimeoutError as error:
        raise InputError(
            f"git did not answer within {GIT_S:g} s.", hint="Name the files to review."
        ) from error
    return done.stdout if done.returncode == 0 else None


def _names(raw: bytes | None) -> list[str]:
    """The names in a list that NULs end; those that are no UTF-8 are left out, since no prompt can hold them."""
    names: list[str] = []
    for name in (raw or b"").split(b"\0"):
        try:
            names.append(name.decode())
        except UnicodeDecodeError:
            continue
    return [name for name in names if name]
