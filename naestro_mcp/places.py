"""The workspace that a request is about: one of the client's roots, else where its front end was started.

`calling` and `resources` above ask; below stand the request and the host. Never guessed wider: a program that starts
its servers in the person's home, or at the top of the disk, and names no root has no workspace.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from mcp.types import ListRootsResult

from naestro.errors import InputError, NaestroError
from naestro_mcp.host import Host
from naestro_mcp.request import ROOTS, InputNeeded, Request

HEADER = "naestro-workspace"
"""Names the workspace over HTTP, where a client has no folder in which it was started."""
PATHS = "paths"
"""Under which the roots stand in the state of a request that nothing ties to others."""
NOWHERE = "/"
HINT = (
    "Open a folder in your program, let it start `naestro mcp` in the project's folder, or, over HTTP, send the "
    "header Naestro-Workspace with its absolute path."
)


async def workspace_of(host: Host, request: Request, wanted: str = "") -> str:
    """The root of the workspace: the first of the client's, or the one that `wanted` names by its path or last part.

    Raises `InputError` where there is none, `WorkspaceError` for a folder that is none, `InputNeeded`.
    """
    folder = _chosen(await _folders(host, request), wanted)
    if Path(folder) == Path(Path(folder).anchor):
        raise InputError(f"{folder} is the top of the disk, which is no project.", hint=HINT)
    return await host.root(folder)


async def workspace_so_far(host: Host, request: Request) -> str:
    """The same; where there is none, or the client has not named its roots yet, the top of the disk.

    Nothing is read there, and only the person's own settings count.
    """
    try:
        return await workspace_of(host, request)
    except (InputNeeded, NaestroError):
        return NOWHERE


async def _folders(host: Host, request: Request) -> tuple[str, ...]:
    """The folders that the client works in, at least one. Raises as `workspace_of`."""
    named = request.headers.get(HEADER)
    if named is not None:
        return (_absolute(named),)
    if request.can_name_roots and (roots := await _roots(host, request)):
        return roots
    return (_started_in(host.cwd),)


async def _roots(host: Host, request: Request) -> tuple[str, ...]:
    if not request.is_alone and request.session in host.roots:
        return host.roots[request.session]
    known = request.state.get(PATHS)
    if isinstance(known, list):
        # What this server put there: a list of paths.
        return tuple(map(str, known))  # pyright: ignore[reportUnknownArgumentType] - see above
    roots = _paths(await request.roots())
    request.state.pop(ROOTS, None)
    if request.is_alone:
        request.state[PATHS] = list(roots)
    else:
        host.remember_roots(request.session, roots)
    return roots


def _paths(named: ListRootsResult | None) -> tuple[str, ...]:
    """The folders of this machine among the client's roots."""
    urls = [urlsplit(str(root.uri)) for root in named.roots] if named is not None else []
    return tuple(
        unquote(url.path) for url in urls if url.scheme == "file" and url.netloc in ("", "localhost")
    )


def _started_in(cwd: Path | None) -> str:
    if cwd is None:
        raise InputError("The request names no workspace, and the client no roots.", hint=HINT)
    if cwd in (Path.home(), Path(cwd.anchor)):
        raise InputError(
            f"The client names no roots and was started in {cwd}, which is no project.", hint=HINT
        )
    return str(cwd)


def _absolute(path: str) -> str:
    if not Path(path).is_absolute():
        raise InputError(f"{path!r} in the header Naestro-Workspace is no absolute path.", hint=HINT)
    return path


def _chosen(folders: tuple[str, ...], wanted: str) -> str:
    if not wanted:
        return folders[0]
    for folder in folders:
        if wanted in (folder, folder.rstrip("/"), Path(folder).name):
            return folder
    names = ", ".join(Path(folder).name for folder in folders)
    raise InputError(f"None of the client's roots is called {wanted!r}.", hint=f"There are: {names}.")
