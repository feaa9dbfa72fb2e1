"""Who speaks: the texts of several models at once, put into one stream that a person can read.

`projection` above sends it as thoughts. One step has the floor and streams; what the others write meanwhile is kept
and follows when it is done. A text is told once, whether it came live or from the journal. Pure.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Speech:
    """What one step wrote."""

    heading: str
    kept: str = ""
    """Not told yet."""
    is_over: bool = False


@dataclass(slots=True)
class Thoughts:
    """The steps that write, in the order of their first words."""

    speeches: dict[str, _Speech] = field(default_factory=dict[str, _Speech])
    headings: dict[str, str] = field(default_factory=dict[str, str])
    """Of the steps that may write."""
    told: dict[str, int] = field(default_factory=dict[str, int])
    """Characters taken in by call, live or recorded."""
    recorded: dict[str, int] = field(default_factory=dict[str, int])
    """Characters in the journal by call."""
    is_first: bool = True

    def begin(self, step: str, heading: str) -> None:
        """A step starts to write, or starts again."""
        self.speeches.pop(step, None)
        self.headings[step] = heading

    def live(self, step: str, call: str, text: str) -> str:
        """Text as it came; what is to be told now."""
        self.told[call] = self.told.get(call, 0) + len(text)
        return self._say(step, text)

    def journalled(self, step: str, call: str, text: str) -> str:
        """Recorded text; what of it is new and to be told now."""
        self.recorded[call] = self.recorded.get(call, 0) + len(text)
        new = self.recorded[call] - self.told.get(call, 0)
        if new <= 0:
            return ""
        self.told[call] = self.recorded[call]
        return self._say(step, text[-new:])

    def end(self, step: str) -> str:
        """A step is done; what the others kept and is to be told now."""
        speech = self.speeches.get(step)
        if speech is None:
            return ""
        speech.is_over = True
        return self._pass_on()

    def _say(self, step: str, text: str) -> str:
        if step not in self.headings:
            return ""
        speech = self.speeches.setdefault(step, _Speech(self.headings[step]))
        speech.kept += text
        return self._pass_on()

    def _pass_on(self) -> str:
        """All that may be told: of the first that is not over, and of those before it, which are."""
        said = ""
        for step, speech in list(self.speeches.items()):
            if speech.kept:
                said += self._with_heading(speech) + speech.kept
                speech.kept = ""
            if not speech.is_over:
                break
            del self.speeches[step]
        return said

    def _with_heading(self, speech: _Speech) -> str:
        heading, speech.heading = speech.heading, ""
        if not heading:
            return ""
        before = "" if self.is_first else "\n\n"
        self.is_first = False
        return f"{before}**{heading}**\n\n"
