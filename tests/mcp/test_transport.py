"""The MCP server as clients reach it: over pipes, sockets, and as docs/mcp.md configures it."""

import asyncio
import json
import re
import shlex
import shutil
import signal as signals
import socket
import subprocess
import sys
import tomllib
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import paths
import pytest
from chat_server import ChatServer, Hang
from mcp import Client, StdioServerParameters, stdio_client
from mcp_clients import (
    BACKPROP,
    MODES,
    ONE_CALL,
    Halting,
    Heard,
    Wire,
    piped,
    settings,
)
from scripted_model import LabelModel

from qa.config import configured
from qa.errors import UsageError
from qa.index.layout import StoreLayout
from qa.index.locks import writer_lock
from qa.mcp.transport import Address

PAGE = (paths.DOCS / "mcp.md").read_text(encoding="utf-8")


@pytest.fixture
def chat(seeds):
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        seeds.setenv("QA_MODEL", "scripted")
        yield server


@pytest.mark.parametrize("mode", MODES)
def test_over_a_pipe_a_store_is_built_and_asked(environment, small_corpus, mode):
    heard = Heard()

    async def conversation(client):
        search = {"query": "which bread is sour?"}
        return await client.call_tool("search_papers", search, progress_callback=heard)

    result, log = piped(conversation, "--corpus", str(small_corpus), mode=mode)
    assert "Sourdough" in result.structured_content["papers"][0]["title"]
    assert any("Embedding" in line for line in heard.lines)
    assert "Vector store: 3 papers" in log


def test_over_a_pipe_a_cancelled_question_stops_asking_the_model(seeds):
    model = Halting()

    async def conversation(client):
        asking = asyncio.create_task(client.call_tool("ask", ONE_CALL))
        await asyncio.to_thread(model.asked.wait, 60)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        await client.call_tool("search_papers", {"query": "the server lives on"})
        model.go.set()
        for _ in range(5):
            await client.call_tool("search_papers", {"query": "and on"})

    with ChatServer(model=model) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        seeds.setenv("QA_MODEL", "scripted")
        piped(conversation)
        assert len(server.bodies) == 1


@pytest.fixture
def wire(environment):
    wires = []

    def start(*words):
        wires.append(Wire(*words))
        return wires[-1]

    yield start
    for one in wires:
        one.process.kill()
        one.process.communicate()


def test_only_the_protocol_is_written_on_stdout(wire, small_corpus):
    server = wire("--corpus", str(small_corpus))
    assert server.greet()["name"] == "ask-papers"
    server.call(2, "ask", question="which bread is sour?")
    message, before = server.answer(2)
    assert message["result"]["structuredContent"]["outcome"] == "evidence"
    assert set(before) == {"notifications/progress"}
    server.close("stdin")
    code, out, err = server.end()
    assert (code, out) == (0, b"")
    assert err.startswith("Building the vector store")


def test_what_is_no_message_does_not_end_the_server(wire):
    server = wire()
    server.greet()
    for line in (b"nonsense", b"{}", b"\xff\xfe", b'{"jsonrpc": "2.0", "id": 5, "method": 7}', b""):
        server.write(line)
    server.send(id=9, method="ping")
    while (message := server.read()).get("id") != 9:
        pass
    assert message["result"] == {}


def test_a_client_that_goes_away_is_no_error(wire):
    server = wire()
    server.greet()
    server.close("stdout")
    server.send(id=2, method="tools/list")
    server.close("stdin")
    assert server.process.wait(30) == 0
    assert server.process.stderr.read() == b""


@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143), (None, 0)])
def test_it_ends_at_once_in_the_middle_of_a_question(seeds, wire, signal, code):
    with ChatServer(model=lambda _: Hang()) as chat:
        seeds.setenv("OPENAI_BASE_URL", chat.url)
        seeds.setenv("QA_MODEL", "scripted")
        server = wire()
        server.greet()
        server.call(2, "ask", question=BACKPROP)
        while server.read()["params"]["message"] != "Ranked 558 papers":
            pass
        if signal:
            server.process.send_signal(getattr(signals, signal))
        else:
            server.close("stdin")
        assert server.process.wait(30) == code
        assert "Traceback" not in server.process.stderr.read().decode()


def test_it_ends_at_once_while_it_waits_for_the_store(environment, wire, small_corpus):
    layout = StoreLayout.of(configured().store, small_corpus)
    with writer_lock(layout, wait=0, waiting=None):
        server = wire("--corpus", str(small_corpus))
        server.greet()
        server.call(2, "search_papers", query="bread")
        while b"Waiting for" not in server.process.stderr.readline():
            pass
        server.close("stdin")
        assert server.process.wait(30) == 0


@pytest.fixture
def http(environment):
    """Start `qa mcp --http` on a free port; gives the port."""
    processes = []

    def start(*words):
        command = [sys.executable, "-m", "qa", "mcp", "--http", "--port", "0", *words]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        return int(re.search(r":(\d+)/mcp", process.stderr.readline().decode())[1])

    yield start
    for process in processes:
        process.terminate()
        process.communicate()
        assert process.returncode == 143


@pytest.mark.parametrize("mode", MODES)
def test_over_http_several_clients_are_served(seeds, http, mode):
    url = f"http://127.0.0.1:{http()}/mcp"
    heard = Heard()

    async def one(query):
        async with Client(url, mode=mode) as client:
            return await client.call_tool(
                "search_papers", {"query": query, "limit": 3}, progress_callback=heard
            )

    async def all_at_once():
        return await asyncio.gather(*(one(query) for query in ("pruning", "graphs", "pruning")))

    results = [result.structured_content for result in asyncio.run(all_at_once())]
    assert results[0] == results[2]
    assert [len(result["papers"]) for result in results] == [3, 3, 3]


def test_over_http_progress_comes_while_the_model_reads(chat, http):
    url = f"http://127.0.0.1:{http()}/mcp"
    heard = Heard()

    async def hold():
        async with Client(url) as client:
            return await client.call_tool("ask", {"question": BACKPROP}, progress_callback=heard)

    assert asyncio.run(hold()).structured_content["outcome"] == "answered"
    assert any(line.startswith("Read ") for line in heard.lines)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_what_web_pages_of_others_send_is_refused(seeds, http, headers, status):
    connection = HTTPConnection("127.0.0.1", http())
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    usual = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    connection.request("POST", "/mcp", body, {**usual, **headers})
    assert connection.getresponse().status == status
    connection.close()


def test_a_port_in_use_is_told_in_a_line(qa):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = qa("mcp", "--http", "--port", str(port))
    assert done.exit_code == 1
    assert f"127.0.0.1:{port} cannot be listened on" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_other_machines_are_let_in_only_when_that_is_asked_for_plainly(qa):
    done = qa("mcp", "--http", "--host", "192.0.2.1")
    assert done.exit_code == 2
    assert "--expose" in done.stderr
    assert Address.checked("192.0.2.1", 1, expose=True).names == ["192.0.2.1", "192.0.2.1:*"]
    for host in ("0.0.0.0", "::"):
        with pytest.raises(UsageError, match="every address"):
            Address.checked(host, 8765, expose=True)


def test_options_that_only_http_has_are_not_ignored_without_it(qa):
    done = qa("mcp", "--port", "9000")
    assert done.exit_code == 2
    assert "--http" in done.stderr


def test_a_wrong_corpus_is_told_before_http_is_served(qa, tmp_path):
    done = qa("mcp", "--http", "--corpus", tmp_path / "nothing")
    assert done.exit_code == 1
    assert "There is no corpus" in done.stderr


def test_without_the_extra_one_line_says_what_to_install(qa, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    done = qa("mcp")
    assert done.exit_code == 1
    assert "pip install 'ask-papers[mcp]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def shell_servers():
    """The commands of `claude mcp add NAME -- COMMAND`, and the addresses it is given."""
    for line in re.findall(r"^\$ claude mcp add (.*)$", PAGE, re.MULTILINE):
        words = shlex.split(line)
        if "--" in words:
            yield {"command": words[words.index("--") + 1], "args": words[words.index("--") + 2 :]}
        else:
            yield {"url": words[-1]}


def configured_servers():
    """Every server that a snippet of the page configures."""
    yield from shell_servers()
    for block in re.findall(r"```jsonc\n(.*?)```", PAGE, re.DOTALL):
        document = json.loads(block)
        (servers,) = (document[key] for key in ("mcpServers", "servers") if key in document)
        yield servers["ask-papers"]
    for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL):
        document = tomllib.loads(block)
        if "mcp_servers" in document:
            yield document["mcp_servers"]["ask-papers"]


def test_the_docs_configure_the_common_clients():
    servers = list(configured_servers())
    assert len(servers) == 5
    assert [s["url"] for s in servers if "url" in s] == [
        Address.checked(None, None, expose=False).url
    ]


@pytest.mark.parametrize("server", [s for s in configured_servers() if "command" in s], ids=str)
def test_what_the_docs_configure_really_starts(seeds, server):
    installed = shutil.which(server["command"], path=str(Path(sys.executable).parent))
    parameters = StdioServerParameters(
        command=installed, args=server["args"], env={**settings(), **server.get("env", {})}
    )

    async def hold():
        async with Client(stdio_client(parameters, errlog=sys.__stderr__)) as client:
            return await client.list_tools()

    assert len(asyncio.run(hold()).tools) == 5


def test_every_tool_is_in_the_docs():
    for tool in ("ask", "search_papers", "get_paper", "corpus_status"):
        assert f"| `{tool}` |" in PAGE
