"""Line editing for `qa chat`: completion by Tab, and earlier lines by the arrow keys."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.utils import is_dumb_terminal

OWNER_ONLY = 0o600  # permissions of the file with earlier lines


class LineEditor:
    """Reads lines from the terminal; Tab completes `commands` at the start of a line."""

    def __init__(self, prompt: str, commands: Sequence[str], history: Path) -> None:
        self._session: PromptSession[str] = PromptSession(
            prompt,
            history=PrivateHistory(history),
            completer=WordCompleter(list(commands), sentence=True),
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            enable_suspend=True,
            reserve_space_for_menu=0,
            output=_output(),
        )

    def read(self) -> str | None:
        """Return the next line; None after Ctrl-D. Raises KeyboardInterrupt after Ctrl-C."""
        try:
            return self._session.prompt()
        except EOFError:
            return None


class PrivateHistory(FileHistory):
    """Earlier lines in a file that only its owner can read; in memory if it cannot be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_APPEND, OWNER_ONLY))

    def load_history_strings(self) -> Iterable[str]:
        """Return the earlier lines, the last one first; none if the file cannot be read."""
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        """Append a line, if the file can be written."""
        with suppress(OSError):
            super().store_string(string)


def _output() -> Output | None:
    """Return the terminal for editing lines; None where it has no cursor movement."""
    if is_dumb_terminal():
        return None
    output = create_output()
    if isinstance(output, Vt100_Output):
        output.enable_cpr = False  # only menus need it, and some terminals never reply to it
    return output
