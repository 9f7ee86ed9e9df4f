"""An OpenAI-compatible server embeds; whatever it does wrong is one clear line."""

import json
import re
import socket
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from qa.errors import EmbeddingError
from qa.index.embedding import open_embedder, openai
from qa.index.embedding.base import Passage

KEY = "sk-secret"


def vector(text):
    """A small deterministic embedding, not of length 1."""
    return [float(len(text)), float(sum(map(ord, text)) % 97 + 1), 3.0]


def data(texts, dimension=3):
    return [{"index": i, "embedding": vector(t)[:dimension]} for i, t in enumerate(texts)]


class EmbeddingServer:
    """A server on loopback; a queued (status, body) goes before its usual answer."""

    def __init__(self):
        outer = self
        self.requests, self.queue, self.most = [], deque(), 10_000
        self.lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.requests.append((self.path, self.headers["Authorization"], body))
                    status, reply = outer.queue.popleft() if outer.queue else outer.answer(body)
                content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("retry-after-ms", "1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def answer(self, body):
        if len(body["input"]) > self.most:
            return 413, {"error": {"message": "batch too large"}}
        # Out of order, as the index allows.
        return 200, {"object": "list", "data": data(body["input"])[::-1], "model": body["model"]}

    def sent(self):
        return [text for _, _, body in self.requests for text in body["input"]]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server():
    server = EmbeddingServer()
    yield server
    server.close()


@pytest.fixture
def embedder(server):
    return open_embedder("embed-1", api_key=KEY, base_url=server.url, cache=Path("unused"))


def failing(server, embedder, status, reply, times=1):
    server.queue.extend([(status, reply)] * times)
    with pytest.raises(EmbeddingError) as caught:
        embedder.embed(["one"])
    message = str(caught.value)
    assert "\n" not in message
    assert KEY not in message
    return message


def test_rows_stand_in_the_order_of_the_texts_with_length_one(server, embedder):
    texts = ["one", "three", "seven", "a"]
    rows = embedder.embed(texts)
    expected = np.array([vector(t) for t in texts])
    np.testing.assert_allclose(
        rows, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5
    )
    assert rows.dtype == np.float32


def test_request_names_model_key_and_plain_floats(server, embedder):
    embedder.embed(["one"])
    path, authorization, body = server.requests[0]
    assert path == "/v1/embeddings"
    assert authorization == f"Bearer {KEY}"
    assert body == {"model": "embed-1", "input": ["one"], "encoding_format": "float"}


def test_span_is_embedded_as_a_text_of_its_own(embedder):
    rows = embedder.embed_passages([Passage("One. Two.", ((0, 4), (5, 9))), Passage("Three.", ())])
    assert [len(r) for r in rows] == [3, 1]
    np.testing.assert_array_equal(
        np.concatenate(rows), embedder.embed(["One. Two.", "One.", "Two.", "Three."])
    )
    assert embedder.embed_passages([]) == []


def test_same_text_is_sent_and_paid_for_once(server, embedder):
    rows = embedder.embed(["one", "two", "one"])
    np.testing.assert_array_equal(rows[0], rows[2])
    assert server.sent() == ["one", "two"]


def test_many_texts_go_in_several_requests(server, embedder):
    texts = [f"text {number}" for number in range(600)]
    rows = embedder.embed(texts)
    assert rows.shape == (600, 3)
    assert sorted(len(body["input"]) for _, _, body in server.requests) == [88, 256, 256]
    np.testing.assert_array_equal(rows[599], embedder.embed([texts[599]])[0])


def test_long_texts_go_in_smaller_requests(server, embedder):
    texts = [letter * (openai.CHARACTERS // 2) for letter in "abc"]
    assert embedder.embed(texts).shape == (3, 3)
    assert sorted(len(body["input"]) for _, _, body in server.requests) == [1, 2]


def test_batch_that_the_server_finds_too_large_is_halved(server, embedder):
    server.most = 3
    assert embedder.embed([f"text {number}" for number in range(8)]).shape == (8, 3)


def test_dimension_is_learned_from_one_vector(server, embedder):
    assert embedder.dimension == 3
    assert embedder.dimension == 3
    assert len(server.requests) == 1


def test_nothing_is_asked_for_a_fingerprint_or_no_text(server, embedder):
    assert "embed-1" in embedder.fingerprint
    assert embedder.embed([]).shape == (0, 0)
    assert server.requests == []


def test_fingerprint_tells_servers_and_models_apart_and_hides_passwords():
    urls = ["http://u:pw@a/v1", "http://a/v1", "http://b/v1", None]
    prints = [open_embedder("m", api_key="k", base_url=u, cache=Path()).fingerprint for u in urls]
    assert prints[0] == prints[1]
    assert len(set(prints[1:])) == 3
    assert open_embedder("n", api_key="k", base_url=urls[1], cache=Path()).fingerprint != prints[1]


def test_model_without_key_and_server_is_refused_with_the_ways_out():
    with pytest.raises(EmbeddingError, match=r"OPENAI_API_KEY.*OPENAI_BASE_URL.*QA_EMBED_MODEL"):
        open_embedder("embed-1", api_key=None, base_url=None, cache=Path("unused"))


def test_server_without_key_is_enough(server):
    local = open_embedder("embed-1", api_key=None, base_url=server.url, cache=Path("unused"))
    assert local.embed(["one"]).shape == (1, 3)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, r"key \(401\).*OPENAI_API_KEY"),
        (403, r"key \(403\).*OPENAI_API_KEY"),
        (404, r"no embedding model 'embed-1' \(404\).*QA_EMBED_MODEL"),
        (400, r"400.*too many words.*QA_EMBED_MODEL"),
    ],
)
def test_refusal_is_one_line_that_names_what_to_check(server, embedder, status, says):
    message = failing(server, embedder, status, {"error": {"message": f"too\nmany words {KEY}"}})
    assert re.search(says, message)


@pytest.mark.parametrize(("status", "says"), [(429, "later"), (500, "(500)")])
def test_passing_failure_is_tried_again_before_it_is_an_error(server, embedder, status, says):
    server.queue.append((status, {"error": {"message": "busy"}}))
    assert embedder.embed(["one"]).shape == (1, 3)
    message = failing(server, embedder, status, {"error": {"message": "busy"}}, times=20)
    assert says in message


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>It works!</html>",
        b"",
        {"error": {"message": "no"}},
        {"data": []},
        {"data": data(["one", "two"])},
        {"data": [{"index": 1, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": "AAAA"}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": [[1.0], [2.0]]}]},
        {"data": [{"index": 0, "embedding": [float("nan"), 1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0, None]}]},
        {"data": {"index": 0}},
        [1, 2],
    ],
    ids=lambda reply: json.dumps(reply)[:40] if not isinstance(reply, bytes) else reply.decode(),
)
def test_unusable_reply_is_an_error_and_never_a_vector(server, embedder, reply):
    assert "did not return 1 vector" in failing(server, embedder, 200, reply)


def test_vectors_of_different_lengths_are_refused(server, embedder):
    embedder.embed(["one"])
    message = failing(server, embedder, 200, {"data": data(["one"], dimension=2)})
    assert "2 numbers" in message


def test_rows_of_different_lengths_in_one_reply_are_refused(server, embedder):
    uneven = [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]
    server.queue.append((200, {"data": uneven}))
    with pytest.raises(EmbeddingError, match="of one length"):
        embedder.embed(["one", "two"])


def test_no_server_is_said_with_the_way_out(monkeypatch):
    monkeypatch.setattr(openai, "FIRST_RETRIES", 0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    nobody = open_embedder("embed-1", api_key=KEY, base_url=url, cache=Path("unused"))
    with pytest.raises(
        EmbeddingError, match=r"no answer from 127.0.0.1.*OPENAI_BASE_URL.*QA_EMBED_MODEL"
    ):
        nobody.embed(["one"])


def test_server_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(openai, "FIRST_RETRIES", 0)
    monkeypatch.setattr(openai, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        hanging = open_embedder("embed-1", api_key=KEY, base_url=url, cache=Path("unused"))
        with pytest.raises(EmbeddingError, match="did not embed within"):
            hanging.embed(["one"])
