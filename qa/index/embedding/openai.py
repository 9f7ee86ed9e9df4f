"""Embeddings from an OpenAI-compatible server."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from qa.config import MACHINE_HEADERS
from qa.errors import EmbeddingError
from qa.index.embedding.base import FloatArray, Passage, normalised

if TYPE_CHECKING:
    import openai

OPENAI = "https://api.openai.com/v1"
TIMEOUT = 60.0  # seconds for one request
RETRIES = 5  # of one request, with growing pauses
FIRST_RETRIES = 1  # of the first request: perhaps there is no server
PARALLEL_REQUESTS = 4
TEXTS, CHARACTERS = 256, 400_000  # at most in one request
TOO_MANY = {400, 413, 422}  # the statuses that servers give to a request with too many texts


class OpenAIEmbedder:
    """An embedding model on a server, which is first asked when the first text is embedded."""

    def __init__(self, name: str, *, api_key: str | None, base_url: str | None) -> None:
        if not (api_key or base_url):
            raise EmbeddingError(
                f"QA_EMBED_MODEL={name} is a model on a server, and none is set: set OPENAI_API_KEY"
                " or OPENAI_BASE_URL, or unset QA_EMBED_MODEL to embed on this machine"
            )
        self.name = name
        self._key = api_key
        self._url = (base_url or OPENAI).rstrip("/")
        self._dimension: int | None = None
        self._answered = False

    @property
    def fingerprint(self) -> str:
        """The model's name and server: on another server it may be another model."""
        parts = urlsplit(self._url)
        return f"{self.name} at {self._host}{parts.path} l2"

    @property
    def dimension(self) -> int:
        """How many numbers a vector has, known from the first vector."""
        if self._dimension is None:
            self.embed(["dimension"])
        return self._dimension or 0

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one row per text: (n, dimension). The same text is sent once."""
        if not texts:
            return np.empty((0, self._dimension or 0), dtype=np.float32)
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            parts = list(pool.map(self._ask, _batches(list(distinct))))
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
        import openai

        left_out: Any = dict.fromkeys(MACHINE_HEADERS, openai.Omit())
        return openai.OpenAI(
            api_key=self._key or "no-key",  # local servers need none, but the package does
            base_url=self._url,
            timeout=TIMEOUT,
            default_headers=left_out,
        )

    @property
    def _host(self) -> str:
        return urlsplit(self._url).netloc.rpartition("@")[2]

    def _ask(self, texts: Sequence[str]) -> FloatArray:
        """Return the server's vectors, (n, dimension), not normalised."""
        import openai

        retries = RETRIES if self._answered else FIRST_RETRIES
        client = self._client.with_options(max_retries=retries)
        try:
            reply = client.embeddings.with_raw_response.create(
                model=self.name, input=list(texts), encoding_format="float"
            )
        except openai.APIStatusError as exc:
            if exc.status_code in TOO_MANY and len(texts) > 1:
                half = len(texts) // 2
                return np.concatenate([self._ask(texts[:half]), self._ask(texts[half:])])
            raise EmbeddingError(self._refusal(exc.status_code, exc.body)) from exc
        except openai.APITimeoutError as exc:
            raise EmbeddingError(
                f"{self._host} did not embed within {TIMEOUT:.0f} s: is it overloaded? Try again"
            ) from exc
        except openai.APIConnectionError as exc:
            raise EmbeddingError(
                f"no answer from {self._host}, the embedding server: is it running?"
                " See OPENAI_BASE_URL, or unset QA_EMBED_MODEL to embed on this machine"
            ) from exc
        self._answered = True
        return self._vectors(reply.http_response.content, len(texts))

    def _vectors(self, reply: bytes, count: int) -> FloatArray:
        """Return the vectors of a reply in the order of the texts; raises EmbeddingError."""
        try:
            entries = json.loads(reply)["data"]
            rows = {int(entry["index"]): entry["embedding"] for entry in entries}
            vectors = np.array([rows[index] for index in range(count)], dtype=np.float32)
            usable = len(entries) == count and vectors.ndim == 2 and vectors.shape[1] > 0
        except (ValueError, KeyError, TypeError, OverflowError) as exc:
            raise EmbeddingError(self._unusable(count)) from exc
        if not usable or not np.isfinite(vectors).all():
            raise EmbeddingError(self._unusable(count))
        return vectors

    def _same_dimension(self, rows: FloatArray) -> FloatArray:
        if self._dimension is None:
            self._dimension = rows.shape[1]
        if rows.shape[1] != self._dimension:
            raise EmbeddingError(
                f"{self._host} gave vectors of {rows.shape[1]} numbers after vectors of"
                f" {self._dimension}: more than one model answers as {self.name!r}"
            )
        return rows

    def _unusable(self, count: int) -> str:
        return (
            f"{self._host} did not return {count} vectors of one length for {count} texts:"
            f" is {self.name!r} an embedding model? See QA_EMBED_MODEL and OPENAI_BASE_URL"
        )

    def _refusal(self, status: int, body: object) -> str:
        """Return what to print for an HTTP status; the key is never in it."""
        if status in {401, 403}:
            return f"{self._host} does not accept the key ({status}): check OPENAI_API_KEY"
        if status == 404:
            return (
                f"{self._host} has no embedding model {self.name!r} (404):"
                " check QA_EMBED_MODEL and OPENAI_BASE_URL"
            )
        if status == 429:
            return (
                f"{self._host} keeps refusing for load or quota (429): run the same again later"
                " (what is embedded is kept), or check the account"
            )
        return f"{self._host} could not embed ({status}){self._quoted(body)}: see QA_EMBED_MODEL"

    def _quoted(self, body: object) -> str:
        said: Any = body.get("message") if isinstance(body, Mapping) else body
        words = "".join(c if c.isprintable() else " " for c in str(said or ""))
        words = " ".join(words.split()).replace(self._key or "\0", "***")[:200]
        return f", saying “{words}”" if words else ""


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in groups of one request each."""
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
