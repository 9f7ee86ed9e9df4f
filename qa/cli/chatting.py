"""The command `qa chat`: one line after the other, from a terminal or from a script.

In a terminal lines are edited and kept, and Ctrl-C stops an answer. Lines from a pipe are a script:
each is printed before what it brings, and Ctrl-C ends all.
"""

import io
import sys
from collections.abc import Iterator

from rich.console import Console

from qa.answering.terminal_text import clean_line
from qa.cli.display.render import console
from qa.cli.display.terminal import Display
from qa.cli.talk import COMMANDS, Talk
from qa.config import Config
from qa.corpus.filters import Filters
from qa.errors import QAError
from qa.library import open_library

PROMPT = "> "


def chat(config: Config, filters: Filters, *, verbose: bool) -> int:
    """Hold a conversation on the terminal, or along the script on stdin; returns the exit code."""
    with Display(stream=False, verbose=False) as display:
        library = open_library(config, display.work, display.note)
    with library:
        talk = Talk(library, filters, verbose=verbose)
        if sys.stdin.isatty():
            talk.greet()
        if sys.stdin.isatty() and sys.stdout.isatty():
            _typed(talk, config)
            return 0
        return _scripted(talk)


def _typed(talk: Talk, config: Config) -> None:
    from qa.cli.line_editor import LineEditor

    err = console(stderr=True)
    editor = LineEditor(PROMPT, list(COMMANDS), config.cache / "chat_history")
    interrupted = ""  # what to say of a Ctrl-C, said where a second one does no harm either
    while True:
        try:
            if interrupted:
                err.print(f"{interrupted}\n")
            interrupted = "Ctrl-D ends."
            line = editor.read()
            interrupted = "Stopped. What was read is kept."
            if line is None or not _heard(talk, line)[0]:
                return
            interrupted = ""
        except KeyboardInterrupt:
            continue


def _scripted(talk: Talk) -> int:
    out, err = console(), console(stderr=True)
    code = 0
    for line in filter(None, map(clean_line, _lines(err))):
        out.print(PROMPT + line)
        goes_on, done = _heard(talk, line)
        if not done:
            code = 1
        if not goes_on:
            break
    return code


def _heard(talk: Talk, line: str) -> tuple[bool, bool]:
    """Do what the line asks for: whether the conversation goes on, and whether that could be done.

    An error is said, and nothing is lost by it.
    """
    goes_on, done = True, True
    try:
        goes_on = talk.hear(line)
    except QAError as exc:
        console(stderr=True).print(f"Error: {exc}")
        done = False
    if goes_on and line.strip():
        console().print()
    return goes_on, done


def _lines(err: Console) -> Iterator[str]:
    """The lines of stdin, each as it comes; a person whose output goes elsewhere gets a prompt."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    while True:
        if sys.stdin.isatty():
            err.print(PROMPT, end="")
        line = sys.stdin.readline()
        if not line:
            return
        yield line
