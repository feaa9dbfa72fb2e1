"""The settings: read from all their sources, with the folders and whatever else the environment says.

Every layer above imports the settings from here; below stand `config_tree` (the tree itself), `config_sources`
(reading, merging, provenance), `config_environment`, `config_untrusted` and `errors`. It is the one module that reads
the environment. It knows no engine, no model file and no record of trust: whom the person trusts is asked through a
function that the caller brings (`naestro.policy.trust`).

Precedence, lowest first: the defaults, the user's file, the workspace's `naestro.toml`, the environment
(`NAESTRO_COUNCIL__CONSENSUS`; the roadmap's flags by their bare names), the command line.

A daemon works for callers whose environment is not its own: inside `environment(variables)` settings, flags and keys
come from the caller's. Folders and child processes stay with the process: one journal, one set of engines.
"""

import os
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretStr, ValidationError

from naestro.config_sources import (
    Entries,
    Entry,
    KeyPath,
    Place,
    SettingsFile,
    Source,
    dotted,
    flatten,
    leaf_paths,
    nest,
    overlay,
    parse_key,
    read_file,
    refusal,
    refuse_unknown,
    shown_values,
    source_of,
)
from naestro.config_tree import (
    Consensus,
    CouncilSettings,
    DaemonSettings,
    EmbeddedSettings,
    EngineKind,
    EngineSettings,
    Flags,
    Flavour,
    IndexSettings,
    JournalSettings,
    ModelSettings,
    ModelSource,
    RoleSettings,
    RolesSettings,
    Settings,
    TimeoutSettings,
    ToolCalls,
    ToolRole,
    ToolServerSettings,
    ToolsSettings,
    require_available,
    settings_for_journal,
    settings_from_journal,
    unavailable_flags,
)
from naestro.config_untrusted import Ignored, ignored_values
from naestro.errors import ConfigError, UntrustedWorkspace

__all__ = [
    "Consensus",
    "CouncilSettings",
    "DaemonSettings",
    "EmbeddedSettings",
    "EngineKind",
    "EngineSettings",
    "Flags",
    "Flavour",
    "Ignored",
    "IndexSettings",
    "JournalSettings",
    "Loaded",
    "ModelSettings",
    "ModelSource",
    "RoleSettings",
    "RolesSettings",
    "Settings",
    "Shown",
    "Source",
    "TimeoutSettings",
    "ToolCalls",
    "ToolRole",
    "ToolServerSettings",
    "ToolsSettings",
    "Trust",
    "api_key",
    "cache",
    "editor",
    "environment",
    "environment_for_child",
    "environment_for_daemon",
    "environment_for_git",
    "home",
    "hub_token",
    "is_hub_offline",
    "load_settings",
    "require_available",
    "set_for_libraries",
    "settings_for_journal",
    "settings_from_journal",
    "unavailable_flags",
    "user_file",
    "variable",
]

OWN_VARIABLES = frozenset({"NAESTRO_HOME", "NAESTRO_CACHE", "NAESTRO_IN_PROCESS"})
"""Variables that are no settings: two move the folders in which the settings lie, one is an option of a command."""
PRIVATE_FOLDER_MODE = 0o700
_GIT_SETTINGS = re.compile(r"GIT_CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)\Z")
"""Variables that say where git's configuration is, or what it is besides."""
_YES = frozenset({"1", "ON", "YES", "TRUE"})
"""What counts as yes in a variable that is not Naestro's own."""

_callers: ContextVar[Mapping[str, str] | None] = ContextVar("naestro_environment", default=None)
"""The environment of whoever is worked for; None: the process's own."""

Trust = Callable[[Path, bytes], bool]
"""Whether the person trusts the workspace (its root) with its `naestro.toml` as it is now (its bytes)."""


def _trust_nobody(_root: Path, _content: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of `naestro config show`."""

    key: str
    value: str
    """JSON; a secret is masked."""
    source: Source


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and where each of them came from."""

    settings: Settings
    sources: Mapping[str, Source]
    """By dotted key, for each value of the tree, defaults included."""
    ignored: tuple[Ignored, ...] = ()
    warnings: tuple[str, ...] = ()
    """One sentence each, for the person."""

    def shown(self) -> list[Shown]:
        """Each value with its source, in the order of the tree, secrets masked."""
        values = {dotted(path): value for path, value in shown_values(self.settings).items()}
        return [Shown(key, value, self.sources[key]) for key, value in values.items()]


@contextmanager
def environment(variables: Mapping[str, str] | None) -> Generator[None]:
    """Inside the block, and in tasks that are started in it, settings, flags and keys come from `variables`.

    None: from this process's own environment, also inside another such block. Folders (`home`, `cache`, `user_file`)
    and the environment of child processes are always this process's own.
    """
    token = _callers.set(variables)
    try:
        yield
    finally:
        _callers.reset(token)


def _variables() -> Mapping[str, str]:
    """The environment that settings, flags and keys come from."""
    callers = _callers.get()
    return os.environ if callers is None else callers


def load_settings(
    workspace: Path | None,
    overrides: Mapping[str, object] = {},
    *,
    is_trusted: Trust = _trust_nobody,
    is_strict: bool = True,
) -> Loaded:
    """Read all sources and make the tree.

    `overrides` are the command line's values by dotted key. With `is_strict` a key that needs trust raises
    `UntrustedWorkspace`; without, it is left out and told in `ignored`, as `naestro config show` wants it.
    Raises `ConfigError` for a file that cannot be read, an unknown key or a wrong value.
    """
    person = _file_entries(read_file(user_file()), "user file")
    outer = overlay(_environment_entries(), _override_entries(overrides))
    file = read_file(workspace / "naestro.toml") if workspace else None
    given = _file_entries(file, "workspace file")
    known = leaf_paths(Settings)
    for entries in (person, given, outer):
        refuse_unknown(entries, known)
    trusted = workspace is not None and file is not None and is_trusted(workspace, file.content)
    ignored = tuple(ignored_values(given, overlay(person, outer), is_trusted=trusted))
    if is_strict:
        _refuse_untrusted(ignored)
    left_out = {item.key for item in ignored}
    kept = {path: entry for path, entry in given.items() if dotted(path) not in left_out}
    entries = overlay(overlay(person, kept), outer)
    try:
        settings = Settings.model_validate(nest(entries))
    except ValidationError as error:
        raise refusal(error, entries) from None
    sources = {dotted(path): source_of(entries, path) for path in shown_values(settings)}
    return Loaded(settings, sources, ignored, tuple(item.reason for item in ignored))


def _refuse_untrusted(ignored: tuple[Ignored, ...]) -> None:
    for item in ignored:
        if item.needs_trust:
            raise UntrustedWorkspace(item.reason)


def _file_entries(file: SettingsFile | None, place: Place) -> Entries:
    return flatten(file.values, Source(place, str(file.path))) if file else {}


def _override_entries(overrides: Mapping[str, object]) -> Entries:
    return {parse_key(key): Entry(value, Source("command line", key)) for key, value in overrides.items()}


def _environment_entries() -> Entries:
    """What the environment sets; an empty variable counts as none. Unknown names are kept, to be refused."""
    variables = _variables()
    names = {_path_of_variable(name): name for name, value in variables.items() if value}
    names.pop((), None)
    if not names:
        return {}
    from naestro.config_environment import flag_variables, setting_variables

    unplaced = Source("environment")
    values = overlay(
        flatten(setting_variables(variables), unplaced),
        flatten({"flags": flag_variables(variables)}, unplaced),
    )
    return {
        path: Entry(values[path].value if path in values else "", Source("environment", name))
        for path, name in names.items()
    }


def _path_of_variable(name: str) -> KeyPath:
    """The setting that a variable names; empty where it names none."""
    if name.lower() in Flags.model_fields:
        return ("flags", name.lower())
    if name in OWN_VARIABLES or not name.upper().startswith("NAESTRO_"):
        return ()
    return tuple(name.lower().removeprefix("naestro_").split("__"))


def api_key(engine: EngineSettings) -> SecretStr | None:
    """The key of `engine`, or None where it needs none; raises `ConfigError` when its variable is not set."""
    if engine.api_key_env is None:
        return None
    key = _variables().get(engine.api_key_env)
    if not key:
        raise ConfigError(
            f"The variable {engine.api_key_env}, which should hold an engine's key, is not set.",
            hint=f"Set {engine.api_key_env}, or take api_key_env out of the engine's settings.",
        )
    return SecretStr(key)


def hub_token() -> SecretStr | None:
    """The person's key for the model hub (HF_TOKEN), or None."""
    token = _variables().get("HF_TOKEN", "").strip()
    return SecretStr(token) if token else None


def is_hub_offline() -> bool:
    """Whether the person forbids programs to ask the model hub (HF_HUB_OFFLINE), as its own client reads it."""
    said = (variables.get("HF_HUB_OFFLINE", "") for variables in (_variables(), os.environ))
    return any(value.upper() in _YES for value in said)


def variable(name: str) -> str | None:
    """A variable of whoever is worked for; None where it is not set."""
    return _variables().get(name)


def environment_for_child(extra: Mapping[str, str] = {}, *, without: Iterable[str] = ()) -> dict[str, str]:
    """The environment for a child process: this one with `extra`, less Naestro's own secrets and `without`."""
    left_out = {"EDENAI_API_KEY", *without}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, **extra}


def environment_for_git() -> dict[str, str]:
    """The environment for a git that is asked about one folder: this one without what names another repository."""
    environment = environment_for_child()
    kept = _GIT_SETTINGS.match
    return {name: value for name, value in environment.items() if name[:4] != "GIT_" or kept(name)}


def environment_for_daemon(keys: Iterable[str]) -> dict[str, str]:
    """What of this process's environment counts for a run: settings, flags, and the `keys`, names of variables."""
    wanted = set(keys)
    return {name: value for name, value in os.environ.items() if name in wanted or _path_of_variable(name)}


def set_for_libraries(variables: Mapping[str, str]) -> None:
    """Set `variables` that a native library reads when it loads; what the person has set stays."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def editor() -> str:
    """The person's editor as a command line: VISUAL, EDITOR, else vi."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"


def home() -> Path:
    """The folder of everything that the user has (settings, journal, logs), made for its owner alone."""
    return _folder("NAESTRO_HOME", "data")


def cache() -> Path:
    """The folder of what can be fetched or built again (models), made for its owner alone."""
    return _folder("NAESTRO_CACHE", "cache")


def user_file() -> Path:
    """The user's own settings: `config.toml` in NAESTRO_HOME, else in the platform's folder for settings."""
    named = _named("NAESTRO_HOME")
    if named is not None:
        return named / "config.toml"
    import platformdirs

    return (
        _absolute(platformdirs.user_config_path("naestro", appauthor=False), "NAESTRO_HOME") / "config.toml"
    )


def _folder(variable: str, purpose: Literal["data", "cache"]) -> Path:
    folder = _named(variable)
    if folder is None:
        import platformdirs

        of_platform = {"data": platformdirs.user_data_path, "cache": platformdirs.user_cache_path}
        folder = _absolute(of_platform[purpose]("naestro", appauthor=False), variable)
    try:
        folder.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            hint=f"Mend its permissions, or set {variable} to a folder that you can write.",
        ) from error
    return folder


def _named(variable: str) -> Path | None:
    """The folder that a variable names; raises `ConfigError` where its `~` means nobody."""
    named = os.environ.get(variable)
    if not named:
        return None
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(
            f"{variable} is {named}, and there is no such home folder.",
            hint=f"Set {variable} to a full path.",
        ) from error


def _absolute(folder: Path, variable: str) -> Path:
    """`folder` of the platform, which is no full path where this user has no home folder."""
    if not folder.is_absolute():
        raise ConfigError(
            f"There is no home folder for {folder}.",
            hint=f"Set HOME, or {variable} to a folder that you can write.",
        )
    return folder
