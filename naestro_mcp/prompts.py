"""Prompts: what a person picks from a menu, as words that make their model use the right tool."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import mcp.types as wire
from mcp.types import GetPromptResult, PromptArgument, PromptMessage, TextContent

from naestro.errors import InputError
from naestro_mcp.request import Request
from naestro_mcp.resources import complete_path, complete_run
from naestro_mcp.tool import Call

VALUE_CHARS_MAX = 32_000
Complete = Callable[[Call, str], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt."""

    name: str
    title: str
    description: str
    arguments: Mapping[str, tuple[str, bool]]
    """Name to description, and whether it is needed."""
    render: Callable[[Mapping[str, str]], str | list[PromptMessage]]
    complete: Mapping[str, Complete]

    def shown(self) -> wire.Prompt:
        """As the list of prompts shows it."""
        arguments = [
            PromptArgument(name=name, description=words, required=is_needed)
            for name, (words, is_needed) in self.arguments.items()
        ]
        return wire.Prompt(
            name=self.name, title=self.title, description=self.description, arguments=arguments
        )

    def rendered(self, given: Mapping[str, str], _: Request) -> GetPromptResult:
        """The messages. Raises `InputError` for arguments that do not fit, and `InputNeeded`."""
        self._check(given)
        made = self.render(given)
        if isinstance(made, str):
            made = [PromptMessage(role="user", content=TextContent(type="text", text=made))]
        return GetPromptResult(description=self.description, messages=made)

    def _check(self, given: Mapping[str, str]) -> None:
        for name, value in given.items():
            if name not in self.arguments:
                known = ", ".join(self.arguments) or "nothing"
                raise InputError(
                    f"The prompt {self.name} does not take {name[:100]!r}.", hint=f"It takes: {known}."
                )
            if len(value) > VALUE_CHARS_MAX:
                raise InputError(f"{name} is longer than {VALUE_CHARS_MAX:,} characters.", hint="Say less.")
        for name, (_, is_needed) in self.arguments.items():
            if is_needed and not given.get(name, "").strip():
                raise InputError(f"The prompt {self.name} needs {name}.", hint="Give it.")


PROMPTS = [
    Prompt(
        name="orchestrate",
        title="Let the council work on a task",
        description="Several models propose, check one another and settle on a change.",
        arguments={"task": ("What is to be done", True)},
        render=lambda given: (
            f"Use Naestro's tool ask_council with mode orchestrate for this task, and show me the diff before anything "
            f"is written:\n\n{given['task']}"
        ),
        complete={},
    ),
    Prompt(
        name="explain",
        title="Let the council explain code",
        description="What a file, some lines or a name is for and how it works.",
        arguments={"target": ("A path, path:10-40, a name, or a question", True)},
        render=lambda given: (
            f"Use Naestro's tool ask_council with mode explain, and tell me about: {given['target']}"
        ),
        complete={"target": complete_path},
    ),
    Prompt(
        name="test",
        title="Let the council write tests",
        description="Tests from the specification of a part of the code.",
        arguments={"target": ("A path, path:10-40, a name, or a sentence", True)},
        render=lambda given: f"Use Naestro's tool test to write tests for: {given['target']}",
        complete={"target": complete_path},
    ),
    Prompt(
        name="trace",
        title="Show what a run did",
        description="The steps of a run, their time and what they cost.",
        arguments={"run": ("A run's id; empty: the newest", False)},
        render=lambda given: (
            f"Use Naestro's tool runs with run {given.get('run') or 'last'} and view trace, and tell me in a few "
            "sentences what happened and what took long."
        ),
        complete={"run": complete_run},
    ),
    Prompt(
        name="review",
        title="Let the council review a change",
        description="Faults in the uncommitted change, or in a file.",
        arguments={"target": ("A path; empty: the uncommitted change", False)},
        render=lambda given: (
            f"Use Naestro's tool review on {given.get('target') or 'the uncommitted change'}, and list its findings "
            "by severity."
        ),
        complete={"target": complete_path},
    ),
]
