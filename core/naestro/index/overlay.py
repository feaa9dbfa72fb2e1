"""What an editor has open and has not saved: it counts instead of the disk, within the workspace's rules of names.

Buffers come from above as texts by path. `search` and `grep` take them through here, so that no open `.env` is found
by either. It knows no editor.
"""

from collections.abc import Mapping

from naestro.errors import WorkspaceError
from naestro.policy.ignore import Ignores
from naestro.policy.secrets import holds_private_key
from naestro.policy.workspace import FILE_SIZE_MAX, Workspace


def admitted(
    workspace: Workspace, buffers: Mapping[str, str | None], rules: Ignores | None = None
) -> dict[str, str]:
    r"""The text of each buffer that may be shown, with `\n`; the empty text for one that says nothing or may not.

    `buffers` are texts by path, relative to the workspace's root with `/`; None for a file that is gone for the
    person.
    """
    rules = rules or workspace.ignores()
    return {path: _text(workspace, path, text, rules) for path, text in sorted(buffers.items())}


def _text(workspace: Workspace, path: str, text: str | None, rules: Ignores) -> str:
    if not text or len(text) > FILE_SIZE_MAX or "\0" in text or holds_private_key(text):
        return ""
    try:
        is_itself = workspace.admit(path, rules) == path
    except WorkspaceError:
        return ""
    return text.removeprefix("\ufeff").replace("\r\n", "\n") if is_itself else ""
