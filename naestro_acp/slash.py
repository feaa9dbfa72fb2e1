"""Slash commands: what a person may type after `/`, and what a prompt without one means.

`turn` above does what is asked; `agent` tells the client the list. Pure: text in, a value out.
"""

from dataclasses import dataclass

from acp.schema import AvailableCommand, AvailableCommandInput, UnstructuredCommandInput

from naestro.errors import InputError


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One command of the list."""

    name: str
    description: str
    argument: str = ""
    """What stands after it, in words; empty where nothing does."""
    is_needed: bool = False
    """Whether it makes no sense without its argument."""


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand("orchestrate", "Let the council answer a question or make a change", "TASK", is_needed=True),
    SlashCommand(
        "explain", "Explain a file, lines of it, a name, or a question", "TARGET: path, path:12-40, name"
    ),
    SlashCommand("test", "Write a test, show it, and run it after a yes", "TARGET: path, path:12-40, name"),
    SlashCommand("review", "Review the changes of the working tree", "TARGET, or nothing for all changes"),
    SlashCommand(
        "trace", "Show how a run came to its result, live while it works", "RUN, or nothing for the last"
    ),
    SlashCommand("resume", "Follow a run, or go on with one that stopped", "RUN", is_needed=True),
    SlashCommand("undo", "Take back the change that a run applied", "RUN, or nothing for the last"),
    SlashCommand("models", "List engines, models and servers on this machine"),
    SlashCommand("forget", "Forget what was always allowed or rejected in this workspace"),
    SlashCommand("help", "List what can be asked"),
)
"""In the order in which they are shown."""

VIEWS = frozenset({"trace", "models", "help", "forget"})
"""Commands that start no run: they are answered at once, beside a turn that works."""

_BY_NAME = {command.name: command for command in COMMANDS}

QUESTION_WORDS = frozenset({
    "are", "can", "could", "describe", "does", "explain", "how", "is", "summarise", "summarize",
    "what", "when", "where", "which", "who", "whose", "why",
})  # fmt: skip
"""A prompt that begins with one of these asks for words."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a prompt asks for."""

    name: str
    """The name of one of `COMMANDS`."""
    rest: str
    """What stands after it."""
    is_typed: bool = True
    """Whether the command was typed, and not guessed from a bare prompt."""


def parse(text: str, mode: str) -> Asked:
    """What `text` asks for in a session of `mode`.

    Raises `InputError` for an unknown command, for one without the argument that it needs, and for an empty prompt.
    """
    stripped = text.strip()
    first, _, rest = stripped.partition(" ") if " " in stripped.split("\n")[0] else stripped.partition("\n")
    if not stripped:
        raise InputError("The prompt is empty.", hint="Say in a few words what is wanted, or type /help.")
    if not first.startswith("/") or "/" in first[1:]:
        return Asked(_bare(stripped, mode), stripped, is_typed=False)
    command = _BY_NAME.get(first[1:].lower())
    if command is None:
        raise InputError(
            f"There is no command {first}.", hint=f"There are {', '.join(f'/{c.name}' for c in COMMANDS)}."
        )
    if command.is_needed and not rest.strip():
        raise InputError(
            f"/{command.name} needs an argument.", hint=f"Type /{command.name} {command.argument}."
        )
    return Asked(command.name, rest.strip())


def available_commands() -> list[AvailableCommand]:
    """The list as the protocol tells it."""
    return [
        AvailableCommand(name=command.name, description=command.description, input=_input(command))
        for command in COMMANDS
    ]


def help_text() -> str:
    """The list for a person, as Markdown."""
    rows = [
        f"- `/{' '.join(filter(None, [c.name, c.argument.partition(':')[0].partition(',')[0]]))}`: {c.description}."
        for c in COMMANDS
    ]
    return "\n".join([
        "Type a task or a question, name files with `@`, or use a command:",
        "",
        *rows,
        "",
        "Modes: `ask` only reads, `council` asks before a file changes, `auto` writes at once. All can be undone.",
    ])  # fmt: skip


def _bare(text: str, mode: str) -> str:
    """The command that a prompt without one stands for: in `ask` a question is explained."""
    is_question = text.endswith("?") or text.split(maxsplit=1)[0].strip(",.:").lower() in QUESTION_WORDS
    return "explain" if mode == "ask" and is_question else "orchestrate"


def _input(command: SlashCommand) -> AvailableCommandInput | None:
    if not command.argument:
        return None
    return AvailableCommandInput(root=UnstructuredCommandInput(hint=command.argument))
