"""A `qa` command in a terminal of its own: typed to and read from like a person's."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

PATIENCE = 120.0  # seconds, far above what anything takes
READY = "\x1b[?2004h"  # sent when a line is waited for: paste comes in brackets from now on
CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"

# Signals come from the keyboard only where the terminal controls the process.
_START = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "qa", *sys.argv[1:]])
"""


class Terminal:
    """`with Terminal("chat") as terminal: terminal.type("/help\\r"); terminal.wait("/quit")`."""

    def __init__(self, *words, columns=80):
        self._fd, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *words],
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(side)
        self._text = ""
        self._place = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._fd)

    @property
    def shown(self):
        """All that was printed, without what only moves the cursor or colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._text)

    def type(self, keys):
        os.write(self._fd, keys.encode())

    def wait(self, text):
        """Read until the text comes; what stands before it is returned and not waited for again."""
        deadline = time.monotonic() + PATIENCE
        while (found := self._text.find(text, self._place)) < 0:
            assert self._read(deadline), f"no {text!r} in {self._text[self._place :]!r}"
        before, self._place = self._text[self._place : found], found + len(text)
        return before

    def ask(self, line):
        """Type the line and return what it brings."""
        self.type(line + "\r")
        return self.wait(READY)

    def end(self):
        """Wait for the program to end; returns its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE)

    def _read(self, deadline):
        """Take in what was printed; False when no more will come. Fails if the program hangs."""
        readable, _, _ = select.select([self._fd], [], [], max(0, deadline - time.monotonic()))
        assert readable, f"nothing more came after {self._text[self._place :]!r}"
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # what Linux says when the other side is closed
            return False
        self._text += data.decode("utf-8", "replace")
        return bool(data)
