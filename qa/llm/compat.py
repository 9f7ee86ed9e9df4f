"""Which optional parameters a server takes: all are offered, one that it refuses is not sent again.

No name of a model or server tells: reasoning models refuse a temperature, other servers a JSON
schema, token counts in streams, or the system role.
"""

import re
from collections.abc import Mapping, Sequence

from qa.llm.errors import Failure
from qa.llm.messages import Message

REFUSALS = frozenset({400, 415, 422, 501})  # HTTP statuses of a request with a wrong parameter
RESPONSE_FORMATS = ("json_schema", "json_object", None)  # from the strictest to none
# How servers name a parameter that they refuse, where not by the parameter's own name.
ALIASES = {
    "logprobs": r"log.?prob(?:s|abilities)",
    "response_format": r"response.format|json.schema|json.object|structured.outputs?|grammar",
    "stream_options": r"stream.options|include_usage",
}
# A reply of one token, and the probabilities of the likeliest ones. Every server that gives them
# gives five; some refuse twenty.
FIRST_TOKEN: dict[str, object] = {"max_tokens": 1, "logprobs": True, "top_logprobs": 5}
SYSTEM_ROLE = re.compile(r"system role|role.{0,10}system", re.IGNORECASE)


class ServerCompat:
    """What one server was found to understand, for as long as its client lives."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = dict(options)  # the user's parameters, such as a temperature
        self._refused: set[str] = set()  # names of parameters
        self._format = 0  # index into RESPONSE_FORMATS
        self._system_role = True
        self.thinks_unopened = False  # whether replies begin inside a `<think>` section

    def parameters(
        self, *, schema: Mapping[str, object] | None, stream: bool, first_token: bool = False
    ) -> dict[str, object]:
        """Return the optional parameters of a request; `first_token` asks for no more than that."""
        wanted: dict[str, object] = dict(self._options)
        if first_token:
            wanted |= FIRST_TOKEN
        if schema is not None and (kind := RESPONSE_FORMATS[self._format]) is not None:
            strict = {"name": "reply", "strict": True, "schema": dict(schema)}
            body = {"json_schema": strict} if kind == "json_schema" else {}
            wanted["response_format"] = {"type": kind, **body}
        if stream and "stream" not in self._refused:
            wanted |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in wanted.items() if name not in self._refused}

    def messages(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        """Return the messages as they are sent."""
        plain = [{"role": m.role, "content": _encodable(m.content)} for m in messages]
        return plain if self._system_role else _without_system(plain)

    def adapt(self, failure: Failure, sent: Mapping[str, object]) -> bool:
        """Stop sending what of the parameters `sent` the server refused.

        Return whether anything changed, so that another attempt makes sense.
        """
        if failure.status not in REFUSALS or failure.is_too_long:
            return False
        refused = next((name for name in sent if _names(failure, name)), None)
        if refused == "response_format":
            self._weaken_format(sent[refused])
        elif refused is not None:
            self._refused.add(refused)
        elif self._system_role and SYSTEM_ROLE.search(failure.message):
            self._system_role = False
        else:
            return False
        return True

    def _weaken_format(self, sent: object) -> None:
        """Go to the format after the one `sent`: several calls may be refused at the same time."""
        kind = sent.get("type") if isinstance(sent, Mapping) else None
        if kind in RESPONSE_FORMATS[:-1]:
            self._format = max(self._format, RESPONSE_FORMATS.index(kind) + 1)
        else:  # the user's own option
            self._refused.add("response_format")


def _names(failure: Failure, parameter: str) -> bool:
    """Return whether the server complains about this parameter."""
    if re.split(r"[.\[]", failure.parameter)[0] == parameter:
        return True
    pattern = ALIASES.get(parameter, rf"\b{re.escape(parameter)}\b")
    return bool(re.search(pattern, failure.message, re.IGNORECASE))


def _encodable(text: str) -> str:
    """Replace lone surrogates, which come from arguments that are not UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put the system message before the first other one, as part of its text."""
    system = [m["content"] for m in messages if m["role"] == "system"]
    rest = [dict(m) for m in messages if m["role"] != "system"]
    if rest:
        rest[0]["content"] = "\n\n".join([*system, rest[0]["content"]])
    return rest or [{"role": "user", "content": "\n\n".join(system)}]
