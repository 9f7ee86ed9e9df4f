"""What spans say: the pipeline's events and the chat's calls as OpenTelemetry attributes.

Names are those of the GenAI semantic conventions where they have one, else `qa.` and ours.
"""

import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from qa.answering.events import Asked, Batch, Decided, Finished, ReadOn, State, Written
from qa.answering.reading import Limits
from qa.answering.results import Answer
from qa.llm.messages import Message, Usage
from qa.retrieval.relevance import Relevance

Value = str | bool | int | float | Sequence[str]
Attributes = dict[str, Value]

VERDICTS = {"yes": Relevance.YES, "partly": Relevance.PARTLY, "no": Relevance.NO, "unjudged": None}


def asked(event: Asked, *, content: bool) -> Attributes:
    """What is known when a question comes in."""
    told: Attributes = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "ask"}
    told |= _limits(event.limits)
    if content:
        told["gen_ai.input.messages"] = _messages([("user", event.question)])
    return told


def _limits(limits: Limits) -> Attributes:
    counts = {"qa.limit.papers": limits.papers, "qa.limit.tokens": limits.tokens}
    told: Attributes = {name: count for name, count in counts.items() if count is not None}
    if limits.quick:
        told["qa.limit.quick"] = True
    if limits.exhaustive:
        told["qa.limit.exhaustive"] = True
    return told


def of_step(step: str, result: object, *, content: bool) -> Attributes:
    """What a step of the pipeline, or the whole `run`, has come to."""
    told: Attributes = {}
    match result:
        case Finished() if step == "run":
            told = _answer(result.answer, content=content)
        case Finished():
            told = {"qa.warnings": [warning.kind for warning in result.answer.warnings]}
        case Batch():
            told = {"qa.round": _round(result.state) + 1, "qa.papers.next": len(result.papers)}
        case ReadOn() | Decided() if step == "judge":
            told = _verdicts(result.state)
        case Decided():
            told = {"qa.stopped": result.stopped.value}
        case Written():
            told = {"qa.papers.qualifying": len(result.papers)}
    return told


def _round(state: State) -> int:
    return len(state.reading.rounds)


def _verdicts(state: State) -> Attributes:
    """The round that has just been judged."""
    last = [verdict.relevance for verdict in state.reading.rounds[-1]]
    counts = {f"qa.papers.{name}": last.count(kind) for name, kind in VERDICTS.items()}
    return {"qa.round": _round(state), "qa.papers.read": len(last), **counts}


def _answer(answer: Answer, *, content: bool) -> Attributes:
    coverage = answer.coverage
    told: Attributes = {
        "qa.outcome": answer.outcome.value,
        "qa.stopped": coverage.stopped.value,
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
    if answer.model is not None:
        told["gen_ai.request.model"] = answer.model
        told["gen_ai.usage.input_tokens"] = answer.usage.prompt_tokens
        told["gen_ai.usage.output_tokens"] = answer.usage.completion_tokens
    if answer.usage.cost_usd is not None:
        told["qa.cost_usd"] = answer.usage.cost_usd
    if content:
        told["gen_ai.output.messages"] = _messages([("assistant", answer.answer)])
    return told


def tokens(usage: Usage) -> Attributes:
    """What calls of the chat model cost."""
    if not usage.calls:
        return {}
    told: Attributes = {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
    }
    return told | ({"qa.usage.estimated": True} if usage.estimated else {})


def call(model: str, host: str | None, *, json_wanted: bool, streamed: bool) -> Attributes:
    """What is known of a call of the chat model before it is made; `host` is its name and port."""
    told: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",  # whose protocol the server speaks
        "gen_ai.request.model": model,
        "gen_ai.request.stream": streamed,
        "gen_ai.output.type": "json" if json_wanted else "text",
    }
    server = urlsplit(f"//{host or ''}")
    if server.hostname:
        told["server.address"] = server.hostname
    if server.port:
        told["server.port"] = server.port
    return told


def said(messages: Sequence[Message]) -> Attributes:
    """The texts that go to the chat model."""
    system = [message.content for message in messages if message.role == "system"]
    turns = [(message.role, message.content) for message in messages if message.role != "system"]
    return {
        "gen_ai.system_instructions": json.dumps([_text(text) for text in system]),
        "gen_ai.input.messages": _messages(turns),
    }


def replied(text: str) -> Attributes:
    """The text that came from the chat model."""
    return {"gen_ai.output.messages": _messages([("assistant", text)])}


def _messages(turns: Sequence[tuple[str, str]]) -> str:
    return json.dumps(
        [{"role": role, "parts": [_text(text)]} for role, text in turns], ensure_ascii=False
    )


def _text(text: str) -> Mapping[str, str]:
    return {"type": "text", "content": text}
