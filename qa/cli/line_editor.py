"""The line that a person types in a terminal: edited, completed, and kept for the arrow keys."""

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

PRIVATE = 0o600


class LineEditor:
    """Reads lines from the terminal; Tab completes the `commands` at the start of a line."""

    def __init__(self, prompt: str, commands: Sequence[str], history: Path) -> None:
        self._session: PromptSession[str] = PromptSession(
            prompt,
            history=KeptLines(history),
            completer=WordCompleter(list(commands), sentence=True),
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            enable_suspend=True,
            reserve_space_for_menu=0,
            output=_output(),
        )

    def read(self) -> str | None:
        """The next line; None at the end, by Ctrl-D. Raises KeyboardInterrupt for Ctrl-C."""
        try:
            return self._session.prompt()
        except EOFError:
            return None


class KeptLines(FileHistory):
    """Earlier lines in a file that its owner alone can read; without the file, in memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_APPEND, PRIVATE))

    def load_history_strings(self) -> Iterable[str]:
        """The kept lines, the last one first."""
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        """Keep a line, if the file can be written."""
        with suppress(OSError):
            super().store_string(string)


def _output() -> Output | None:
    """Where lines are edited; None where the terminal is too plain for that."""
    if is_dumb_terminal():
        return None
    output = create_output()
    if isinstance(output, Vt100_Output):
        output.enable_cpr = False  # for menus, which we have not; some terminals never reply
    return output
