"""How a command ends: its exit code, and the line on stderr that says what went wrong."""

import errno
import functools
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer

from qa.config import configured, configured_traces, rebuild_command
from qa.errors import Action, Hint, QAError, UsageError

NOTHING_FOUND = 3  # no paper answers the question or passes the filters
INTERRUPTED = 130  # by Ctrl-C; 128 + SIGINT, as shells have it
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EIO}

P = ParamSpec("P")
R = TypeVar("R")


def with_exit_codes(command: Callable[P, R]) -> Callable[P, R]:
    """Return the command with errors said in a line, and with the exit code that belongs to each.

    A reader that closes the pipe early, such as `head`, is no error.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with _traced():
                return command(*args, **kwargs)
        except QAError as exc:
            corpus = kwargs.get("corpus")
            typer.echo(error_line(exc, corpus if isinstance(corpus, Path) else None), err=True)
            raise typer.Exit(exc.exit_code) from exc
        except KeyboardInterrupt as exc:
            typer.echo("Interrupted. What was read and embedded is kept.", err=True)
            raise typer.Exit(INTERRUPTED) from exc
        except BrokenPipeError as exc:
            _discard_output()
            raise typer.Exit(0) from exc
        except OSError as exc:
            if exc.errno not in DISK_FAULTS:
                raise
            _discard_output()
            typer.echo(f"Error: the output could not be written: {exc.strerror}.", err=True)
            raise typer.Exit(1) from exc

    return run


def error_line(error: QAError, corpus: Path | None) -> str:
    """Return what stderr says of an error: its message, and the command that helps, if one does.

    `corpus` is the one that the command was given; None: the default.
    """
    message = str(error)
    if isinstance(error, UsageError) and error.parameter:  # a keyword in Python, here an option
        option = error.parameter.replace("_", "-")
        message = f"--{option}{message.removeprefix(error.parameter)}"
    advice = f" Run: {_command(error.hint, corpus)}" if error.hint else ""
    return f"Error: {message}{advice}"


def _command(hint: Hint, corpus: Path | None) -> str:
    command = rebuild_command(hint.corpus or configured(corpus).corpus)
    if hint.action is Action.NAME_COLUMN:
        command += f" --column {shlex.quote(hint.column or 'title')}=NAME"
    return command


def _traced() -> AbstractContextManager[None]:
    """Send the command's OpenTelemetry spans where the environment says, if it says so."""
    traces = configured_traces()
    if not traces.exporters:
        return nullcontext()
    from qa.tracing import exporting

    return exporting(traces, functools.partial(typer.echo, err=True))


def _discard_output() -> None:
    """Drop what is still buffered for stdout: the interpreter would fail when it flushes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
