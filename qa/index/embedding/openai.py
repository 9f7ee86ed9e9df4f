"""Embeddings from an OpenAI-compatible server."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from qa.errors import EmbeddingError
from qa.index.embedding.base import FloatArray, Passage, normalised
from qa.llm.endpoint import Endpoint, open_blocking

if TYPE_CHECKING:
    import openai

REQUEST_SECONDS = 60.0  # for one request to be answered
RETRIES = 5  # of one request, with growing pauses
FIRST_RETRIES = 1  # while the server has not answered yet: perhaps there is none
CONCURRENT_REQUESTS = 4
TEXTS, CHARACTERS = 256, 400_000  # at most in one request
SPLIT_ON = {400, 413, 422}  # HTTP statuses of a request with too many texts


class OpenAIEmbedder:
    """An embedding model on a server, which is first asked when a text is to be embedded.

    All methods raise EmbeddingError.
    """

    def __init__(self, name: str, *, api_key: str | None, base_url: str | None) -> None:
        """Raise ConfigError or ChatAuthError for an address or a key that cannot be one."""
        if not (api_key or base_url):
            raise EmbeddingError(
                f"QA_EMBED_MODEL={name} is a model on a server, and none is set: set OPENAI_API_KEY"
                " or OPENAI_BASE_URL, or unset QA_EMBED_MODEL to embed on this machine."
            )
        self.name = name
        self._endpoint = Endpoint.of(api_key, base_url)
        self._dimension: int | None = None
        self._answered = False

    @property
    def fingerprint(self) -> str:
        """The model's name and server: another server may call another model by that name."""
        path = urlsplit(self._endpoint.base_url).path
        return f"{self.name} at {self._endpoint.host}{path} l2"

    @property
    def dimension(self) -> int:
        """How many numbers a vector has, learned from the first vector."""
        if self._dimension is None:
            self.embed(["dimension"])
        return self._dimension or 0

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one row of length 1 per text: (n, dimension). The same text is sent once."""
        if not texts:
            return np.empty((0, self._dimension or 0), dtype=np.float32)
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        with ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
            parts = list(pool.map(self._request, _batches(list(distinct))))
        rows = normalised(np.concatenate([self._same_dimension(part) for part in parts]))
        vectors: FloatArray = rows[[distinct[text] for text in texts]]
        return vectors

    def embed_passages(self, passages: Sequence[Passage]) -> list[FloatArray]:
        """Return (1 + spans, dimension) per passage; each span is embedded as a text of its own."""
        texts = [[p.text, *(p.text[start:end] for start, end in p.spans)] for p in passages]
        rows = self.embed([text for group in texts for text in group])
        ends = np.cumsum([len(group) for group in texts])
        return np.split(rows, ends[:-1]) if texts else []

    @cached_property
    def _client(self) -> "openai.OpenAI":
        return open_blocking(self._endpoint, seconds=REQUEST_SECONDS)

    def _request(self, texts: Sequence[str]) -> FloatArray:
        """Return the server's vectors, (n, dimension), of any length.

        The openai package retries 408, 409, 429, 5xx and broken connections.
        """
        import openai

        retries = RETRIES if self._answered else FIRST_RETRIES
        client = self._client.with_options(max_retries=retries)
        host = self._endpoint.host
        try:
            reply = client.embeddings.with_raw_response.create(
                model=self.name, input=list(texts), encoding_format="float"
            )
        except openai.APIStatusError as exc:
            if exc.status_code in SPLIT_ON and len(texts) > 1:
                half = len(texts) // 2
                return np.concatenate([self._request(texts[:half]), self._request(texts[half:])])
            raise EmbeddingError(self._refusal(exc.status_code, exc.body)) from exc
        except openai.APITimeoutError as exc:
            raise EmbeddingError(
                f"The server {host} did not embed within {REQUEST_SECONDS:.0f} s: is it overloaded?"
                " Try again."
            ) from exc
        except openai.APIConnectionError as exc:
            raise EmbeddingError(
                f"There is no answer from {host}, which is to embed: is it running?"
                " See OPENAI_BASE_URL, or unset QA_EMBED_MODEL to embed on this machine."
            ) from exc
        self._answered = True
        return self._vectors(reply.http_response.content, len(texts))

    def _vectors(self, reply: bytes, count: int) -> FloatArray:
        """Return the vectors of a reply in the order of the texts; nothing in it is trusted."""
        error = EmbeddingError(
            f"The server {self._endpoint.host} did not return {count} vectors of one length for"
            f" {count} texts: is {self.name!r} an embedding model? See QA_EMBED_MODEL and"
            " OPENAI_BASE_URL."
        )
        try:
            entries = json.loads(reply)["data"]
            rows = {int(entry["index"]): entry["embedding"] for entry in entries}
            vectors = np.array([rows[index] for index in range(count)], dtype=np.float32)
            usable = len(entries) == count and vectors.ndim == 2 and vectors.shape[1] > 0
        except (ValueError, KeyError, TypeError, OverflowError) as exc:
            raise error from exc
        if not usable or not np.isfinite(vectors).all():
            raise error
        return vectors

    def _same_dimension(self, rows: FloatArray) -> FloatArray:
        if self._dimension is None:
            self._dimension = rows.shape[1]
        if rows.shape[1] != self._dimension:
            raise EmbeddingError(
                f"The server {self._endpoint.host} returned vectors of {rows.shape[1]} numbers"
                f" after vectors of {self._dimension}: more than one model answers as"
                f" {self.name!r}."
            )
        return rows

    def _refusal(self, status: int, body: object) -> str:
        """Return the error message for an HTTP status; the key is never in it."""
        server = f"The server {self._endpoint.host}"
        if status in {401, 403}:
            return f"{server} does not accept the key ({status}): check OPENAI_API_KEY."
        if status == 404:
            return (
                f"{server} has no embedding model {self.name!r} (404):"
                " check QA_EMBED_MODEL and OPENAI_BASE_URL."
            )
        if status == 429:
            return (
                f"{server} keeps refusing for load or quota (429): run the same again later"
                " (what is embedded is kept), or check the account."
            )
        said = body.get("message") if isinstance(body, Mapping) else body
        words = self._endpoint.quote(str(said or ""))
        saying = f", saying “{words}”" if words else ""
        return f"{server} could not embed ({status}){saying}: see QA_EMBED_MODEL."


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in groups that a server takes in one request."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == TEXTS or size + len(text) > CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch
