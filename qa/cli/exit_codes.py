"""How a command ends: its exit code, and the line on stderr that says what went wrong."""

import errno
import functools
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import ParamSpec, TypeVar

import typer

from qa.config import Config, configured_traces, error_text
from qa.errors import QAError, UsageError

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
            typer.echo(error_line(exc), err=True)
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


def error_line(error: QAError, config: Config | None = None) -> str:
    """Return what stderr says of an error: what happened, and the command that helps, if one does.

    `config` has the corpus that was asked; see `qa.config.error_text`.
    """
    if isinstance(error, UsageError) and error.parameter:  # a keyword in Python, here an option
        option = error.parameter.replace("_", "-")
        return f"Error: --{option}{str(error).removeprefix(error.parameter)}"
    return f"Error: {error_text(error, config)}"


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
