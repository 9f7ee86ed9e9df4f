"""Where the commands begin: `qa` (also as `python -m qa`) and `ask`."""

import gc
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def main() -> None:
    """Run `qa`."""
    with _process():
        from qa.cli.app import app

        app()


def ask_main() -> None:
    """Run `ask`, which is `qa ask`."""
    with _process():
        from qa.cli.app import ask_app

        ask_app()


@contextmanager
def _process() -> Iterator[None]:
    """Set up stdout and stderr, and end quietly by Ctrl-C, which may come while modules load."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # `?` for what the output's encoding lacks
    try:
        yield
    except KeyboardInterrupt:
        _end_interrupted()
    except RuntimeError as exc:
        # Python 3.11 wraps what interrupts the creation of a class
        if not isinstance(exc.__cause__, KeyboardInterrupt):
            raise
        _end_interrupted()
    finally:
        gc.freeze()  # else Python looks once more at every imported object at the end: 0.3 s


def _end_interrupted() -> None:
    sys.stderr.write("Interrupted.\n")
    sys.exit(130)


if __name__ == "__main__":
    main()
