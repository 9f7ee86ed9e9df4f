"""Who is told what: the configured servers alone are, and nothing about the machine."""

import os
import re
import shutil
import subprocess
import sys

import paths
import pytest
from chat_server import ChatServer
from chroma_process import CHROMA, free_port, running
from scripted_model import LabelModel

BACKPROP = "which papers train without backprop?"
STRACE = shutil.which("strace")

# Told by Python of every connection and name look-up, of every library, before it is made.
LISTENER = """
import os, sys
def heard(event, args):
    if event in {"socket.connect", "socket.sendto"} and isinstance(args[1], tuple):
        told(f"{args[1][0]}:{args[1][1]}")
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        told(str(args[0]))
def told(line, path=os.environ["HEARD"]):
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\\n")
sys.addaudithook(heard)
"""


@pytest.fixture
def connections(tmp_path, environment):
    """Runs a `qa` command; gives the addresses that it connected to or looked up."""
    (tmp_path / "listener").mkdir()
    (tmp_path / "listener" / "sitecustomize.py").write_text(LISTENER, encoding="utf-8")
    environment.setenv("PYTHONPATH", str(tmp_path / "listener"))
    environment.setenv("HEARD", str(tmp_path / "heard.txt"))

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "qa", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        heard = tmp_path / "heard.txt"
        lines = heard.read_text(encoding="utf-8").splitlines() if heard.exists() else []
        heard.unlink(missing_ok=True)
        return set(lines)

    return run


def test_without_servers_nothing_is_connected_to(connections, small_corpus):
    assert connections("rebuild", small_corpus) == set()
    assert connections("ask", "--corpus", small_corpus, "how much do tomatoes yield?") == set()
    assert connections("search", "--corpus", small_corpus, "sourdough") == set()


def test_the_listener_hears_what_there_is_to_hear(connections, seeds):
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url.replace("127.0.0.1", "localhost"))
        assert "localhost" in connections("ask", BACKPROP, "--quick")


def test_with_a_chat_model_its_server_alone_is_connected_to(connections, seeds):
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        heard = connections("ask", BACKPROP)
        assert heard - {"127.0.0.1"} == {server.host}


@pytest.mark.skipif(CHROMA is None, reason="no `chroma` command")
def test_with_a_chroma_server_it_alone_is_connected_to(
    connections, environment, small_corpus, tmp_path
):
    with running(tmp_path / "chroma", free_port()) as server:
        environment.setenv("QA_CHROMA_URL", server.url)
        host = server.url.removeprefix("http://")
        assert connections("rebuild", small_corpus) - {"127.0.0.1"} == {host}
        words = ("ask", "--corpus", small_corpus, "how much do tomatoes yield?")
        assert connections(*words) - {"127.0.0.1"} == {host}


def traced(*words):
    """The command's connections as the kernel sees them, those of native libraries too."""
    done = subprocess.run(
        [STRACE, "-f", "-e", "trace=connect,sendto", sys.executable, "-m", "qa", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr and "Operation not permitted" in done.stderr:
        pytest.skip("processes must not be traced here")
    assert done.returncode == 0, done.stderr[-2000:]
    return set(re.findall(r"sin6?_port=htons\((\d+)\)", done.stderr))


@pytest.mark.skipif(STRACE is None, reason="no strace")
def test_no_native_library_connects_anywhere_else(seeds, small_corpus):
    assert traced("rebuild", small_corpus) == set()
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        assert traced("ask", BACKPROP, "--quick") == {server.host.partition(":")[2]}


def test_onnx_runtime_keeps_no_records_for_its_maker(environment, small_corpus, tmp_path):
    # From 1.29 on it writes them, and a number for this machine, under the home folder.
    home = tmp_path / "home"
    home.mkdir()
    environment.setenv("HOME", str(home))
    environment.delenv("XDG_CACHE_HOME", raising=False)
    environment.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    words = [sys.executable, "-m", "qa", "ask", "--corpus", small_corpus, "tomatoes on balconies?"]
    subprocess.run([*map(str, words)], check=True, capture_output=True)
    assert [str(path) for path in home.rglob("*icrosoft*")] == []


def test_who_wants_onnx_runtimes_records_is_heard(environment):
    environment.setenv("ORT_DISABLE_TELEMETRY", "0")
    from qa.config import refuse_telemetry

    refuse_telemetry()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_no_server_is_told_about_the_machine(seeds, qa):
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        assert qa("ask", BACKPROP, "--quick").exit_code == 0
    told = {name: value for request in server.requests for name, value in request.headers.items()}
    for name in ("os", "arch", "runtime", "runtime-version", "lang", "package-version", "async"):
        assert f"x-stainless-{name}" not in told
    assert not re.search(r"linux|darwin|windows|x86|arm|cpython", str(told), re.IGNORECASE)


def test_chroma_is_opened_with_its_telemetry_off():
    folder = paths.ROOT / "qa" / "index"
    source = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    settings = re.findall(r"\bSettings\(\s*([^,)]*)", source)
    assert settings
    assert set(settings) == {"anonymized_telemetry=False"}
