"""The `<think>` section with which reasoning models open a reply on some servers."""

import re

OPEN, CLOSE = "<think>", "</think>"
# Some chat templates put the opening tag into the prompt: then a line ends the section alone.
UNOPENED = re.compile(r"\A(?!\s*<think>).*?^\s*</think>\s*$", re.DOTALL | re.MULTILINE)


def without_thinking(text: str) -> str:
    """Return the reply alone; a section that never closes leaves nothing."""
    thinking = Thinking(opened=thinks_unopened(text))
    return thinking.feed(text) + thinking.rest()


def thinks_unopened(text: str) -> bool:
    """Whether the reply closes a section that it never opened."""
    return UNOPENED.match(text) is not None


class Thinking:
    """Drops the section from a reply that comes in pieces, tags torn between them included.

    Only at the very start: papers about language models write of `<think>` too.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._state = "inside" if opened else "start"
        self._supposed = opened  # the section was not seen to open
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what one more piece makes certain of the reply."""
        self._held += piece
        if self._state == "start":
            self._begin()
        if self._state == "inside":
            self._skip()
        if self._state == "gap":
            self._held = self._held.lstrip()
            self._state = "reply" if self._held else "gap"
        if self._state != "reply":
            return ""
        out, self._held = self._held, ""
        return out

    def rest(self) -> str:
        """Return what is still held back when nothing more comes."""
        return self._held.strip() if self._state == "start" or self._supposed else ""

    def _begin(self) -> None:
        start = self._held.lstrip()
        if start.startswith(OPEN):
            self._state, self._held = "inside", start[len(OPEN) :]
        elif not OPEN.startswith(start):
            self._state, self._held = "reply", start

    def _skip(self) -> None:
        self._held = self._held.lstrip() if self._supposed else self._held
        if self._supposed and self._held.startswith(OPEN):
            self._supposed = False
        _, close, after = self._held.partition(CLOSE)
        if close:
            self._state, self._held, self._supposed = "gap", after, False
        elif not self._supposed:
            self._held = self._held[-len(CLOSE) + 1 :]
