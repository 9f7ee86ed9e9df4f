"""A model file: its header, what it gets of the machine, and llama.cpp running a real one."""

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import paths
import pytest
from gguf_files import LLAMA, gguf
from llama_server import model_file

from qa.answering.judge import ModelJudge, exact_schema
from qa.corpus.papers import Paper
from qa.errors import ChatContextTooLong, ChatUnreachable, ConfigError
from qa.llm.llama_cpp import server
from qa.llm.llama_cpp.chat import LocalModel
from qa.llm.llama_cpp.gguf import CutOff, NotGGUF, read_header
from qa.llm.llama_cpp.model_file import ModelFile, is_model_file
from qa.llm.llama_cpp.server import Capacity
from qa.llm.messages import Message
from qa.llm.prompts import load_prompt

PAGE = paths.DOCS / "models.md"
QUESTION = "which lanes made people cycle?"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tiny-Q4.gguf"


class TestHeader:
    def test_values_are_read_past_vocabularies(self, file):
        vocabulary = {"tokenizer.ggml.tokens": ["<s>", "été", ""], "tokenizer.ggml.scores": [1, -2]}
        header = read_header(gguf(file, {**vocabulary, **LLAMA}))
        assert header.text("general.architecture") == "llama"
        assert header.number("llama.context_length") == 4096
        assert header.tensors == 2

    def test_a_number_for_each_layer_counts_by_the_greatest(self, file):
        assert read_header(gguf(file, {"kv": [2, 8, 4]})).number("kv") == 8

    def test_what_is_not_there_is_empty(self, file):
        header = read_header(gguf(file))
        assert (header.text("nothing"), header.number("nothing")) == ("", 0)

    def test_every_cut_through_the_header_is_seen(self, file):
        whole = gguf(file, weights=0).read_bytes()
        for length in range(4, len(whole)):
            file.write_bytes(whole[:length])
            with pytest.raises(CutOff):
                read_header(file)

    def test_weights_that_are_not_all_there_are_seen(self, file):
        gguf(file, offsets=(0, 5_000_000))
        with pytest.raises(CutOff) as caught:
            read_header(file)
        assert caught.value.least > 5_000_000

    @pytest.mark.parametrize("start", [b"", b"GGU", b"\x80\x02}", b"PK\x03\x04" + bytes(60)])
    def test_other_files_are_no_gguf(self, file, start):
        file.write_bytes(start)
        with pytest.raises(NotGGUF):
            read_header(file)

    def test_counts_beyond_all_measure_are_a_cut(self, file):
        file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**63, 2**63) + bytes(100))
        with pytest.raises((CutOff, NotGGUF)):
            read_header(file)

    def test_damage_anywhere_never_ends_in_another_error(self, file):
        whole = gguf(file, {**LLAMA, "tokens": ["a", "b"]}).read_bytes()
        for place in range(4, len(whole) - 128):
            file.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
            with contextlib.suppress(CutOff, NotGGUF):
                read_header(file)


class TestModelFile:
    def test_it_is_named_by_its_stem(self, file):
        assert ModelFile.find(str(gguf(file))).name == "tiny-Q4"

    def test_a_home_folder_is_meant_by_a_tilde(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        gguf(tmp_path / "models" / "tiny.gguf")
        assert ModelFile.find("~/models/tiny.gguf").name == "tiny"

    @pytest.mark.parametrize("named", [1, 2])
    def test_any_part_stands_for_the_whole(self, tmp_path, named):
        for i in (1, 2):
            gguf(tmp_path / f"big-0000{i}-of-00002.gguf")
        found = ModelFile.find(str(tmp_path / f"big-0000{named}-of-00002.gguf"))
        assert found.name == "big"
        assert found.path.name == "big-00001-of-00002.gguf"
        assert found.size == sum(path.stat().st_size for path in tmp_path.iterdir())

    def test_a_missing_part_is_told(self, tmp_path):
        gguf(tmp_path / "big-00001-of-00003.gguf")
        with pytest.raises(ConfigError, match=r"big-00002-of-00003.gguf, big-00003-of-00003.gguf"):
            ModelFile.find(str(tmp_path / "big-00001-of-00003.gguf"))

    def test_a_part_that_is_cut_off_is_told(self, tmp_path):
        gguf(tmp_path / "big-00001-of-00002.gguf")
        gguf(tmp_path / "big-00002-of-00002.gguf", offsets=(0, 1_000_000))
        with pytest.raises(ConfigError, match=r"00002-of-00002.gguf is cut off"):
            ModelFile.find(str(tmp_path / "big-00001-of-00002.gguf"))

    def test_a_missing_file_is_told_with_those_that_are_there(self, tmp_path):
        gguf(tmp_path / "other.gguf")
        with pytest.raises(ConfigError, match=r"no model file .*tiny.gguf: .*there is other.gguf"):
            ModelFile.find(str(tmp_path / "tiny.gguf"))

    def test_a_name_that_cannot_be_looked_up_is_told(self):
        with pytest.raises(ConfigError, match="cannot be read: "):
            ModelFile.find(f"/{'x' * 5_000}.gguf")

    def test_a_home_of_nobody_is_told(self):
        with pytest.raises(ConfigError, match=r"no model file ~nobody-is-called-so/tiny.gguf"):
            ModelFile.find("~nobody-is-called-so/tiny.gguf")

    def test_a_folder_is_told(self, tmp_path):
        with pytest.raises(ConfigError, match="is a folder"):
            ModelFile.find(str(tmp_path))

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "is empty"),
            (b"<!DOCTYPE html>\n<html>", "is a web page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
            (b"GGUF\x09\0\0\0" + bytes(100), "version 9"),
            (b"GGUF\x03\0\0\0", "is cut off"),
        ],
    )
    def test_a_file_that_is_no_model_is_told_in_one_line(self, file, content, said):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=said) as caught:
            ModelFile.find(str(file))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"general.architecture": "nomic-bert"}, "embeds text"),
            ({"general.architecture": "qwen3", "qwen3.pooling_type": 3}, "embeds text"),
            ({"general.architecture": "clip"}, "sees images"),
            ({**LLAMA, "general.type": "adapter"}, "an adapter"),
        ],
    )
    def test_a_model_that_cannot_chat_is_told(self, file, values, said):
        with pytest.raises(ConfigError, match=said):
            ModelFile.find(str(gguf(file, values)))

    def test_a_vocabulary_is_no_model(self, file):
        with pytest.raises(ConfigError, match="vocabulary"):
            ModelFile.find(str(gguf(file, offsets=())))

    def test_fingerprint_follows_the_content_and_not_the_name(self, tmp_path):
        first, same = gguf(tmp_path / "a.gguf"), gguf(tmp_path / "b.gguf")
        other = gguf(tmp_path / "c.gguf", {**LLAMA, "general.name": "other"})
        prints = [ModelFile.find(str(path)).fingerprint for path in (first, same, other)]
        assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("model", "base_url", "meant"),
    [
        (None, None, False),
        ("none", None, False),
        ("llama3.3", None, False),
        ("nowhere/tiny.gguf", None, True),
        ("TINY.GGUF", None, True),
        ("nowhere/tiny.gguf", "http://localhost:8080/v1", False),
    ],
)
def test_what_is_meant_as_a_file(model, base_url, meant):
    assert is_model_file(model, base_url) == meant


def test_a_file_that_is_there_is_meant_even_with_a_server_set(file):
    assert is_model_file(str(gguf(file)), "http://localhost:8080/v1")


class TestCapacity:
    def of(self, file, **values):
        values = {f"llama.{key.replace('__', '.')}": value for key, value in values.items()}
        return Capacity.of(ModelFile.find(str(gguf(file, {**LLAMA, **values}))))

    def test_no_more_context_than_the_model_has_seen(self, file):
        assert self.of(file, context_length=2048).context == 2048

    def test_no_more_than_the_work_needs(self, file):
        assert self.of(file, context_length=131_072) == Capacity(8192, 2)

    def test_small_models_take_several_calls_at_once(self, file):
        assert self.of(file, context_length=8192, block_count=8).slots == server.SLOTS

    def test_a_context_that_takes_much_memory_is_kept_short(self, file):
        dear = self.of(file, context_length=131_072, attention__head_count_kv=32, block_count=64)
        assert 1024 <= dear.context < 8192
        assert dear.slots == 1

    def test_a_file_that_says_nothing_gets_something(self, file):
        found = Capacity.of(ModelFile.find(str(gguf(file, {"general.architecture": "new"}))))
        assert found == Capacity(8192, 1)

    @pytest.mark.parametrize(("limit", "count"), [("150000 100000", 2), ("50000 100000", 1)])
    def test_a_containers_share_of_the_processors_is_kept_to(
        self, tmp_path, monkeypatch, limit, count
    ):
        (tmp_path / "cpu.max").write_text(limit)
        monkeypatch.setattr(server, "QUOTA", tmp_path / "cpu.max")
        monkeypatch.setattr(server.os, "cpu_count", lambda: 64)
        monkeypatch.setattr(server.os, "sched_getaffinity", lambda _: range(64), raising=False)
        assert server.threads() == count

    def test_a_whole_machine_is_left_to_llama_cpp(self, tmp_path, monkeypatch):
        (tmp_path / "cpu.max").write_text("max 100000")
        monkeypatch.setattr(server, "QUOTA", tmp_path / "cpu.max")
        monkeypatch.setattr(server.os, "cpu_count", lambda: 2)
        monkeypatch.setattr(server.os, "sched_getaffinity", lambda _: range(2), raising=False)
        assert server.threads() is None


class TestReason:
    @pytest.mark.parametrize(
        ("said", "code", "told"),
        [
            ("0.1 E error loading model: unknown model architecture: 'z'\n0.2 E load", 1, "newer"),
            ("0.1 E llama: failed to allocate buffer of size 9", 1, "not enough memory"),
            ("GGML_ASSERT(x > 0) failed", -6, "GGML_ASSERT(x > 0) failed"),
            ("ImportError: libgomp.so.1: no such file", 1, "libgomp"),
            ("", -4, "SIGILL"),
            ("", 7, "code 7"),
        ],
    )
    def test_it_is_told_with_what_to_do(self, said, code, told):
        line = server.reason(said, code)
        assert told in line
        assert "\n" not in line

    def test_without_llama_cpp_its_package_is_named(self, file, monkeypatch):
        monkeypatch.setattr(server, "PACKAGE", "no_such_package")
        with pytest.raises(ConfigError, match=r"pip install 'ask-papers\[local\]'"):
            LocalModel.find(str(gguf(file)))


def paper(n):
    abstract = f"We paved {n} lanes. People cycled more. Cars went elsewhere."
    return Paper(id=f"p{n}", title=f"Lanes {n}", abstract=abstract, sources=())


def test_exact_schema_leaves_only_the_verdicts_open():
    listed = exact_schema({"P1": paper(1), "P2": paper(2)})["properties"]["papers"]
    assert (listed["minItems"], listed["maxItems"]) == (2, 2)
    relevant, irrelevant = listed["prefixItems"][1]["anyOf"]
    assert relevant["properties"]["key"]["const"] == "P2"
    assert relevant["properties"]["sentences"]["items"]["maximum"] == 3
    assert irrelevant["properties"]["sentences"]["maxItems"] == 0


@pytest.fixture(scope="module")
def weights():
    pytest.importorskip("xllamacpp")
    return model_file()


@pytest.fixture(scope="module")
def model(weights):
    local = LocalModel.find(str(weights))
    yield local
    local.close()


def with_chat(model, action):
    async def run():
        chat = model.chat(None)
        try:
            return await action(chat)
        finally:
            await chat.close()

    return asyncio.run(run())


async def address(chat):
    await chat.client()
    return chat._server.base_url


def is_gone(base_url, connection):
    """Wait until the connection is closed, and see that there is nobody to connect to any more.

    A process closes its sockets one by one: the first new connection may still meet the last one.
    """
    for _ in range(3):
        with connection, contextlib.suppress(ConnectionError):
            connection.recv(1)
        try:
            connection = connected(base_url)
        except ConnectionError:
            return True
    connection.close()
    return False


def connected(base_url):
    place = urlsplit(base_url)
    return socket.create_connection((place.hostname, place.port), timeout=60)


class TestRunning:
    @pytest.mark.slow
    def test_calls_at_once_start_one_server(self, model):
        async def two(chat):
            other = model.chat(None)
            try:
                return await asyncio.gather(address(chat), address(other))
            finally:
                await other.close()

        first, second = with_chat(model, two)
        assert first == second
        assert urlsplit(first).hostname == "127.0.0.1"

    def test_nobody_without_the_key_can_ask_it(self, model):
        url = with_chat(model, address)
        request = urllib.request.Request(
            f"{url}/chat/completions", b"{}", {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        with caught.value as reply:
            assert reply.code == 401

    @pytest.mark.slow
    def test_every_verdict_of_a_small_model_is_usable(self, model):
        system, user = load_prompt("judge.system", None), load_prompt("judge.user", None)
        papers = [paper(n) for n in range(1, 4)]

        def judge(chat):
            return ModelJudge(chat, system, user, one_by_one=True).judge(QUESTION, papers)

        judged = with_chat(model, judge)
        assert judged.usage.calls == 3
        for verdict in judged.verdicts:
            assert verdict.relevance in {"yes", "partly", "no"}
            assert bool(verdict.sentences) == (verdict.relevance != "no")

    @pytest.mark.slow
    def test_the_same_question_gets_the_same_reply(self, model):
        ask = [Message("user", "Name a bird.")]
        replies = {with_chat(model, lambda chat: chat.complete(ask)).text for _ in range(2)}
        assert len(replies) == 1

    def test_a_stream_comes_in_pieces_and_is_counted(self, model):
        async def read(chat):
            stream = chat.stream([Message("user", "Name a bird.")])
            pieces = [piece async for piece in stream]
            return pieces, stream.usage

        pieces, usage = with_chat(model, read)
        assert len(pieces) > 1
        assert usage.completion_tokens >= len(pieces)

    def test_an_answer_without_room_is_asked_for_with_less(self, model):
        async def read(chat):
            async for _ in chat.stream([Message("user", "tomato " * 6_000)]):
                pass

        with pytest.raises(ChatContextTooLong, match=r"10,500 tokens .* 8,192"):
            with_chat(model, read)

    @pytest.mark.slow
    def test_giving_up_while_it_loads_leaves_it_to_others(self, weights):
        local = LocalModel.find(str(weights))

        async def cancelled_then_asked(chat):
            waiting = asyncio.ensure_future(local.chat(None).client())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return await address(chat)

        try:
            assert with_chat(local, cancelled_then_asked)
        finally:
            local.close()

    def test_its_death_is_told_and_the_next_question_starts_it_anew(self, weights):
        local = LocalModel.find(str(weights))

        async def die(chat):
            stream = chat.stream([Message("user", "Count from one to a thousand.")])
            async for _ in stream:
                local._server._process.kill()

        try:
            with pytest.raises(ChatUnreachable, match=r"has ended: .*memory"):
                with_chat(local, die)
            assert with_chat(local, address)
        finally:
            local.close()

    @pytest.mark.usefixtures("weights")
    def test_a_file_that_llama_cpp_rejects_is_one_clear_line(self, file):
        gguf(file, {**LLAMA, "general.architecture": "zeta9"})
        local = LocalModel.find(str(file))
        with pytest.raises(ConfigError, match=r"cannot be used by .*'zeta9'.*--upgrade") as caught:
            with_chat(local, address)
        assert "\n" not in str(caught.value)
        local.close()

    def test_weights_cut_off_in_the_last_tensor_are_told(self, weights, file):
        file.write_bytes(weights.read_bytes()[:-64])
        local = LocalModel.find(str(file))
        with pytest.raises(ConfigError, match="cut off or damaged"):
            with_chat(local, address)
        local.close()


STARTED = """
import asyncio, sys
from qa.llm.llama_cpp.chat import LocalModel
model = LocalModel.find(sys.argv[1])
async def start():
    chat = model.chat(None)
    await chat.client()
    print(chat._server.base_url, flush=True)
    await chat.close()
asyncio.run(start())
sys.stdin.readline()
"""


@contextlib.contextmanager
def program(weights):
    """A program that has started a model and waits for a line of input."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTED, str(weights)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http"), process.stderr.read()
            yield process, url, connected(url)
        finally:
            process.kill()


class TestEnd:
    def test_it_ends_when_closed(self, weights):
        local = LocalModel.find(str(weights))
        url = with_chat(local, address)
        connection = connected(url)
        local.close()
        assert is_gone(url, connection)

    def test_it_ends_while_it_loads(self, weights):
        settings = {"path": str(weights), "key": "k", "threads": 1, "context": 8192, "slots": 16}
        with subprocess.Popen(
            [sys.executable, str(server.SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            address, _ = process.communicate(f"{json.dumps(settings)}\n".encode())
        assert address == b""

    def test_it_ends_with_a_program_that_forgets_it(self, weights):
        with program(weights) as (process, url, connection):
            process.stdin.write("\n")
            process.stdin.flush()
            assert is_gone(url, connection)
            assert process.wait() == 0
            assert process.stderr.read() == ""

    def test_it_ends_with_a_program_that_is_killed(self, weights):
        with program(weights) as (process, url, connection):
            process.kill()
            assert is_gone(url, connection)

    @pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
    def test_it_ends_with_a_program_that_is_interrupted(self, weights):
        with program(weights) as (process, url, connection):
            os.killpg(process.pid, signal.SIGINT)
            assert is_gone(url, connection)
            assert "llama" not in process.stderr.read()


@pytest.fixture
def at_home(weights, tmp_path, environment, small_corpus):
    """The small corpus, and the model where docs/models.md has it."""
    environment.setenv("HOME", str(tmp_path))
    environment.setenv("USERPROFILE", str(tmp_path))
    environment.setenv("QA_CORPUS", str(small_corpus))
    (tmp_path / "models").mkdir()
    os.link(weights, tmp_path / "models" / "model.gguf")
    return environment


def command_of_the_page():
    """The setting and the words of the section's `ask`."""
    section = PAGE.read_text(encoding="utf-8").partition("## A model file")[2]
    setting, ask, *words = shlex.split(re.search(r"^\$ (QA_MODEL=.*)$", section, re.MULTILINE)[1])
    assert ask == "ask"
    return setting.removeprefix("QA_MODEL="), words


@pytest.mark.slow
def test_the_command_of_the_docs_judges_writes_and_checks(at_home, qa):
    name, words = command_of_the_page()
    at_home.setenv("QA_MODEL", name)
    done = qa("ask", *words, "--json")
    assert done.exit_code in {0, 3}, done.output
    document = json.loads(done.stdout)
    assert document["model"] == "model"
    assert document["coverage"]["read"] == 3
    assert document["coverage"]["unjudged"] == 0
    assert document["usage"]["cost_usd"] is None
    judging = document["usage"]["by_kind"]["judge"]
    assert judging["calls"] == 3
    assert 3 * 20 <= judging["completion_tokens"] <= 3 * 60
    if document["outcome"] == "answered":
        assert document["usage"]["by_kind"]["write"]["completion_tokens"] > 0
    assert qa("cache").stdout.startswith("3 verdicts kept")


def test_ctrl_c_while_it_reads_leaves_one_word(at_home):
    at_home.setenv("QA_MODEL", "~/models/model.gguf")
    with subprocess.Popen(
        [sys.executable, "-m", "qa", "ask", QUESTION, "--verbose"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        for line in process.stderr:
            if "ranked" in line:  # what comes next is the model's
                break
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert "llama" not in rest


def test_status_tells_what_the_file_is(at_home, qa, tmp_path):
    at_home.setenv("QA_MODEL", "~/models/model.gguf")
    assert re.search(
        r"^model +model, run here by llama.cpp .*98.4 MB", qa("status").stdout, re.MULTILINE
    )
    broken = tmp_path / "models" / "broken.gguf"
    broken.write_bytes((tmp_path / "models" / "model.gguf").read_bytes()[:1_000_000])
    at_home.setenv("QA_MODEL", str(broken))
    assert "broken.gguf is cut off" in qa("status").stdout
