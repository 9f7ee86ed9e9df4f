"""Where the commands begin: `qa` (also as `python -m qa`) and `ask`."""

import sys


def main() -> None:
    """Run `qa`."""
    _start("main")


def ask_main() -> None:
    """Run `ask`, which is `qa ask`."""
    _start("ask_main")


def _start(command: str) -> None:
    """Load the program and run the command; Ctrl-C may come while it is still being loaded."""
    try:
        from qa.cli import app

        getattr(app, command)()
    except KeyboardInterrupt:
        _interrupted()
    except RuntimeError as exc:
        # what interrupts the making of a class, Python 3.11 wraps
        if not isinstance(exc.__cause__, KeyboardInterrupt):
            raise
        _interrupted()


def _interrupted() -> None:
    sys.stderr.write("Interrupted.\n")
    sys.exit(130)


if __name__ == "__main__":
    main()
