"""What spans say: questions, steps and calls of models as OpenTelemetry attributes.

Names are those of the GenAI semantic conventions where they have one, else `qa.` and ours. With
`content` the texts are among them.
"""

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np

from qa.answering.events import Asked, Batch, Decided, Finished, ReadOn, State, Written
from qa.answering.results import Answer
from qa.index.build import BuildReport
from qa.llm.messages import ChatCall, Usage
from qa.progress import Work
from qa.retrieval.relevance import Relevance

Value = str | bool | int | float | Sequence[str]
Attributes = dict[str, Value]

VERDICTS = {"yes": Relevance.YES, "partly": Relevance.PARTLY, "no": Relevance.NO, "unjudged": None}
CHANGES = ("new", "changed", "removed", "unchanged")  # of papers, by a rebuild


def at_start(work: object, *, content: bool) -> tuple[str, Attributes]:
    """Return the name of the span for this work, and what is known when it begins."""
    match work:
        case ChatCall():
            return f"chat {work.model}", _call(work, content=content)
        case Work(name="embed", given=model):
            operation = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": str(model)}
            return f"embeddings {model}", {**operation}
        case Work(name="ask", given=Asked() as asked):
            return work.name, _asked(asked, content=content)
        case Work():
            return work.name, {}
    raise TypeError(work)


def at_end(work: object, *, content: bool) -> Attributes:
    """Return what the work has come to; for a call of the chat model also if it has failed."""
    attributes: Attributes = {}
    match work:
        case ChatCall():
            attributes = _reply(work, content=content)
        case Work(name="ask", result=Finished(answer=answer)):
            attributes = _answer(answer, content=content)
        case Work(name="judge", result=ReadOn(state=state) | Decided(state=state)):
            attributes = _round(state)
        case Work(result=Finished(answer=answer)):
            attributes = {"qa.warnings": [warning.kind for warning in answer.warnings]}
        case Work(result=Batch(state=state, papers=papers)):
            rounds = state.reading.rounds
            attributes = {"qa.round": len(rounds) + 1, "qa.papers.next": len(papers)}
        case Work(result=Decided(stopped=stopped)):
            attributes = {"qa.stopped": stopped.value} if stopped else {}
        case Work(result=Written(papers=papers)):
            attributes = {"qa.papers.qualifying": len(papers)}
        case Work(result=BuildReport() as report):
            attributes = {f"qa.papers.{change}": getattr(report, change) for change in CHANGES}
        case Work(result=np.ndarray() as vectors):
            count, dimension = vectors.shape
            attributes = {"qa.texts": count, "gen_ai.embeddings.dimension.count": dimension}
    return attributes


def _asked(asked: Asked, *, content: bool) -> Attributes:
    limits = asked.limits
    attributes: Attributes = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "ask",
    }
    counts = {"papers": limits.papers, "tokens": limits.tokens, "recall": limits.recall}
    attributes |= {f"qa.limit.{name}": n for name, n in counts.items() if n is not None}
    flags = {"quick": limits.quick, "exhaustive": limits.exhaustive}
    attributes |= {f"qa.limit.{name}": True for name, is_set in flags.items() if is_set}
    if content:
        attributes["gen_ai.input.messages"] = _messages([("user", asked.question)])
    return attributes


def _round(state: State) -> Attributes:
    """Return the counts of the round that has just been judged; none where no verdict counts."""
    rounds = state.reading.rounds
    if not rounds:
        return {}
    last = [verdict.relevance for verdict in rounds[-1]]
    counts = {f"qa.papers.{name}": last.count(kind) for name, kind in VERDICTS.items()}
    return {"qa.round": len(rounds), "qa.papers.read": len(last), **counts}


def _answer(answer: Answer, *, content: bool) -> Attributes:
    coverage = answer.coverage
    attributes: Attributes = {
        "qa.outcome": answer.outcome.value,
        "qa.rounds": coverage.rounds,
        "qa.papers.corpus": coverage.corpus,
        "qa.papers.candidates": coverage.candidates,
        "qa.papers.read": coverage.read,
        "qa.papers.yes": coverage.relevant,
        "qa.papers.partly": coverage.partly,
        "qa.papers.unjudged": coverage.unjudged,
        "qa.papers.listed": len(answer.papers),
        "qa.warnings": [warning.kind for warning in answer.warnings],
        "qa.chat.calls": answer.usage.calls,
    }
    if coverage.stopped is not None:
        attributes["qa.stopped"] = coverage.stopped.value
    if answer.model is not None:
        attributes["gen_ai.request.model"] = answer.model
        attributes["gen_ai.usage.input_tokens"] = answer.usage.prompt_tokens
        attributes["gen_ai.usage.output_tokens"] = answer.usage.completion_tokens
    if answer.usage.cost_usd is not None:
        attributes["qa.cost_usd"] = answer.usage.cost_usd
    if content:
        attributes["gen_ai.output.messages"] = _messages([("assistant", answer.answer)])
    return attributes


def _call(call: ChatCall, *, content: bool) -> Attributes:
    """Return what is known of a call before it is made."""
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",  # whose protocol the server speaks
        "gen_ai.request.model": call.model,
        "gen_ai.request.stream": call.streamed,
        "gen_ai.output.type": "json" if call.wants_json else "text",
    }
    server = urlsplit(f"//{call.host}")
    if server.hostname:
        attributes["server.address"] = server.hostname
    if server.port:
        attributes["server.port"] = server.port
    if content:
        system = [_text(sent.content) for sent in call.messages if sent.role == "system"]
        turns = [(sent.role, sent.content) for sent in call.messages if sent.role != "system"]
        attributes["gen_ai.system_instructions"] = json.dumps(system)
        attributes["gen_ai.input.messages"] = _messages(turns)
    return attributes


def _reply(call: ChatCall, *, content: bool) -> Attributes:
    """Return what has come of a call: a part of the reply, too."""
    attributes = _tokens(call.usage)
    if call.resent:
        attributes["http.request.resend_count"] = len(call.resent)
    if call.first_piece is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = call.first_piece
    if call.finish is not None:
        attributes["gen_ai.response.finish_reasons"] = [call.finish]
    if content and call.text:
        attributes["gen_ai.output.messages"] = _messages([("assistant", call.text)])
    return attributes


def _tokens(usage: Usage) -> Attributes:
    if not usage.calls:
        return {}
    attributes: Attributes = {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
    }
    return attributes | ({"qa.usage.estimated": True} if usage.estimated else {})


def _messages(turns: Sequence[tuple[str, str]]) -> str:
    """Return the turns, each a role and a text, as the JSON that the conventions ask for."""
    parts = [{"role": role, "parts": [_text(text)]} for role, text in turns]
    return json.dumps(parts, ensure_ascii=False)


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}
