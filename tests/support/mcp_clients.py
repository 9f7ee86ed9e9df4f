"""How the tests talk to the MCP server: by the SDK's own client, and in bare lines."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from scripted_model import LabelModel

from qa.config import configured
from qa.library.session import Session
from qa.mcp.server import PaperServer

BACKPROP = "which papers train without backprop?"
ONE_CALL = {"question": BACKPROP, "read_at_most": 2}  # to judge, before the one to write
# Of the protocol: as of 2026, and the handshake before.
MODES = ["auto", pytest.param("legacy", marks=pytest.mark.slow)]


def talk(conversation, *, mode="auto"):
    """What the conversation returns, held with a server in this process."""

    async def hold():
        session = Session(configured(), lambda _: None)
        try:
            async with Client(PaperServer(session), mode=mode) as client:
                return await conversation(client, session)
        finally:
            session.close()

    return asyncio.run(hold())


def call(name, **arguments):
    """What one call of a tool returns."""

    async def conversation(client, _):
        return await client.call_tool(name, arguments)

    return talk(conversation)


def text_of(result):
    return result.content[0].text


def settings():
    return {name: value for name, value in os.environ.items() if name.startswith(("QA_", "OPENAI"))}


class Heard:
    """What a client hears of a call's progress."""

    def __init__(self):
        self.numbers, self.totals, self.lines = [], [], []

    async def __call__(self, progress, total, message):
        self.numbers.append(progress)
        self.totals.append(total)
        self.lines.append(message)


class Halting:
    """A chat model that is stuck at its first question until it is let go."""

    def __init__(self):
        self.asked, self.go = threading.Event(), threading.Event()

    def __call__(self, body):
        self.asked.set()
        self.go.wait(30)
        return LabelModel()(body)


def piped(conversation, *words, mode="auto"):
    """What the conversation returns, held over a real pipe, and what the server wrote on stderr."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "qa", "mcp", *words], env=settings()
    )

    async def hold(log):
        async with Client(stdio_client(server, errlog=log), mode=mode) as client:
            return await conversation(client)

    log = Path(settings()["QA_CACHE"]) / "stderr.log"
    with log.open("w+", encoding="utf-8") as file:
        result = asyncio.run(hold(file))
        file.seek(0)
        return result, file.read()


class Wire:
    """A server process, and its lines as they are."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qa", "mcp", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def greet(self):
        """Begin the session; returns what the server says of itself."""
        client = {"name": "test", "version": "1"}
        start = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        self.send(id=1, method="initialize", params=start)
        started = self.read()
        self.send(method="notifications/initialized")
        return started["result"]["serverInfo"]

    def send(self, **message):
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def write(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self):
        return json.loads(self.process.stdout.readline())

    def answer(self, number):
        """The answer to a request, and the methods of the notifications before it."""
        before = []
        while (message := self.read()).get("id") != number:
            before.append(message["method"])
        return message, before

    def call(self, number, name, **arguments):
        params = {"name": name, "arguments": arguments, "_meta": {"progressToken": number}}
        self.send(id=number, method="tools/call", params=params)

    def close(self, stream):
        """Close the server's stdin or stdout from this side."""
        getattr(self.process, stream).close()
        setattr(self.process, stream, None)

    def end(self):
        """The exit code, what was left on stdout, and stderr."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err.decode()
