"""The judge: asks the chat model which papers answer the question, and in which sentences.

The model never copies text: it points at numbered sentences, so that a quote cannot be made up. Its
reply is untrusted: only a known key with a known relevance and existing sentences is a verdict.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from qa.answering.verdict_cache import VerdictCache
from qa.corpus.papers import Paper
from qa.errors import ChatBadReply, ChatContextTooLong, ChatError, ChatRefused
from qa.llm.messages import Chat, Message, Usage
from qa.llm.prompts import Prompt, as_material
from qa.llm.replies import keyed_entries, strict_object
from qa.retrieval.relevance import Relevance, Verdict

BATCH = 5  # papers a call: small enough to judge each with care, and a round's calls run at once
ATTEMPTS = 2  # a paper without a usable verdict is asked about once more
MOST_SENTENCES = 3  # that prove a verdict; prompts/judge.system.txt asks for one to three
PARALLEL = 8  # calls at a time: what public endpoints and a laptop's server both bear


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one round, one for every paper, and what they took."""

    verdicts: tuple[Verdict, ...]
    usage: Usage = field(default_factory=Usage)
    cached: int = 0  # verdicts that were known from before and cost nothing
    failure: ChatError | None = None  # why some papers could not be asked about
    cache_trouble: str | None = None  # why verdicts could not be read or kept, in a sentence
    unfit: str | None = None  # why the judge is not believed, in a sentence; then no verdict counts


class Judge(Protocol):
    """What can say which papers answer a question."""

    async def judge(self, question: str, papers: Sequence[Paper]) -> Judged:
        """Return a verdict for each paper, in the order given."""
        ...


class ModelJudge:
    """A judge that asks a chat model, several batches at a time.

    `one_by_one` is for small models whose server knows the whole of JSON Schema: one call for each
    paper, under a schema that leaves only the verdict open. `on_judged` is called with the number
    of papers judged so far and of how many.
    """

    def __init__(  # noqa: PLR0913 - each is a part of its own
        self,
        chat: Chat,
        system: Prompt,
        user: Prompt,
        cache: VerdictCache | None = None,
        *,
        one_by_one: bool = False,
        on_judged: Callable[[int, int], None] = lambda _, __: None,
    ) -> None:
        self._chat = chat
        self._on_judged = on_judged
        self._one_by_one = one_by_one
        self._system = system
        self._user = user
        self._cache = cache

    async def judge(self, question: str, papers: Sequence[Paper]) -> Judged:
        """Return a verdict for each paper; those that a failing server leaves are unjudged."""
        known = self._cache.get(question, papers) if self._cache else {}
        rest = [paper for paper in papers if paper.id not in known]
        slots = asyncio.Semaphore(PARALLEL)
        size = 1 if self._one_by_one else BATCH
        batches = [rest[i : i + size] for i in range(0, len(rest), size)]
        done = len(known)

        async def judged(batch: Sequence[Paper]) -> Judged:
            nonlocal done
            part = await self._batch(question, batch, slots)
            done += len(batch)
            self._on_judged(done, len(papers))
            return part

        parts = await asyncio.gather(*map(judged, batches))
        found = known | {v.paper_id: v for part in parts for v in part.verdicts}
        return Judged(
            tuple(found.get(paper.id, Verdict(paper.id, None)) for paper in papers),
            sum((part.usage for part in parts), Usage()),
            len(known),
            next((part.failure for part in parts if part.failure), None),
            self._cache.trouble if self._cache else None,
        )

    async def _batch(
        self, question: str, papers: Sequence[Paper], slots: asyncio.Semaphore
    ) -> Judged:
        """Return the batch's verdicts; papers without a usable one are asked about once more."""
        found: dict[str, Verdict] = {}
        usage, failure = Usage(), None
        for _ in range(ATTEMPTS):
            missing = [paper for paper in papers if paper.id not in found]
            if not missing:
                break
            try:
                more, spent = await self._ask(question, missing, slots)
            except ChatError as exc:
                failure = exc
                break
            found, usage = found | more, usage + spent
        if self._cache:
            self._cache.put(question, papers, found.values())
        return Judged(tuple(found.values()), usage, failure=failure)

    async def _ask(
        self, question: str, papers: Sequence[Paper], slots: asyncio.Semaphore
    ) -> tuple[dict[str, Verdict], Usage]:
        """Return one call's usable verdicts by paper id; a prompt too long is asked in halves."""
        keys = {f"P{i}": paper for i, paper in enumerate(papers, start=1)}
        user = self._user.fill(
            question=question,
            papers="\n\n".join(as_material(key, paper) for key, paper in keys.items()),
            count=str(len(papers)),
        )
        messages = [Message("system", self._system.text), Message("user", user)]
        try:
            async with slots:
                schema = exact_schema(keys) if self._one_by_one else SCHEMA
                reply = await self._chat.complete(messages, schema=schema)
        except ChatContextTooLong:
            return await self._halves(question, papers, slots)
        except (ChatBadReply, ChatRefused):
            return {}, Usage(calls=1)
        return read_verdicts(reply.text, keys), reply.usage

    async def _halves(
        self, question: str, papers: Sequence[Paper], slots: asyncio.Semaphore
    ) -> tuple[dict[str, Verdict], Usage]:
        if len(papers) == 1:
            return {}, Usage(calls=1)
        middle = len(papers) // 2
        first, spent = await self._ask(question, papers[:middle], slots)
        second, more = await self._ask(question, papers[middle:], slots)
        return first | second, spent + more


def read_verdicts(text: str, keys: dict[str, Paper]) -> dict[str, Verdict]:
    """Return the usable verdicts of a reply, by paper id.

    Left out are papers under a key that was not asked for or comes twice, another relevance than
    yes, partly or no, and a sentence that the abstract does not have.
    """
    entries = keyed_entries(text, "papers")
    verdicts = (_verdict(entry, keys[key]) for key, entry in entries.items() if key in keys)
    return {verdict.paper_id: verdict for verdict in verdicts if verdict}


def _verdict(entry: dict[str, Any], paper: Paper) -> Verdict | None:
    relevance, sentences = entry.get("relevance"), entry.get("sentences", [])
    if relevance not in tuple(Relevance) or not isinstance(sentences, list):
        return None
    last = len(paper.sentences)
    if not all(type(number) is int and 1 <= number <= last for number in sentences):
        return None
    proving = () if relevance == Relevance.NO else tuple(dict.fromkeys(sentences))
    return Verdict(paper.id, Relevance(relevance), proving)


# Every server with strict schemas understands it. It never changes, so that servers can cache it.
SCHEMA = strict_object(
    {
        "papers": {
            "type": "array",
            "items": strict_object(
                {
                    "key": {"type": "string"},
                    "relevance": {"type": "string", "enum": ["yes", "partly", "no"]},
                    "sentences": {"type": "array", "items": {"type": "integer"}},
                }
            ),
        }
    }
)


def exact_schema(papers: Mapping[str, Paper]) -> dict[str, Any]:
    """Return the schema for these papers, by key, that leaves nothing but the verdicts open.

    Every reply under it is a usable verdict on each paper, also from a small model. The server must
    know the whole of JSON Schema, as llama.cpp's grammars do.
    """
    entries = [_entry(key, len(paper.sentences)) for key, paper in papers.items()]
    count = len(entries)
    listed = {"type": "array", "prefixItems": entries, "minItems": count, "maxItems": count}
    return strict_object({"papers": listed})


def _entry(key: str, sentences: int) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1, "maximum": sentences}
    proof = {"type": "array", "items": number, "minItems": 1, "maxItems": MOST_SENTENCES}
    name = {"type": "string", "const": key}
    relevant = {"key": name, "relevance": {"enum": ["yes", "partly"]}, "sentences": proof}
    nothing = {"type": "array", "items": number, "maxItems": 0}
    irrelevant = {"key": name, "relevance": {"enum": ["no"]}, "sentences": nothing}
    return {"anyOf": [strict_object(relevant), strict_object(irrelevant)]}
