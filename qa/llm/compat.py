"""Which parameters a server takes: everything is offered, what it refuses is not sent again."""

import re
from collections.abc import Mapping, Sequence

from qa.llm.errors import Failure
from qa.llm.messages import Message

FORMATS = ("json_schema", "json_object", None)  # from strict to nothing
ALIASES = {
    "response_format": r"response.format|json.schema|json.object|structured.outputs?|grammar",
    "stream_options": r"stream.options|include_usage",
}
SYSTEM_ROLE = re.compile(r"system role|role.{0,10}system", re.IGNORECASE)


class ServerCompat:
    """What one server was found to understand, for as long as its client lives."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = dict(options)  # what the user wants sent along, such as a temperature
        self._refused: set[str] = set()
        self._format = 0  # index into FORMATS
        self._system_role = True
        self.thinks_unopened = False  # whether replies begin inside a `<think>` section

    def parameters(self, *, schema: Mapping[str, object] | None, stream: bool) -> dict[str, object]:
        """Return the optional parameters of a request."""
        wanted: dict[str, object] = dict(self._options)
        if schema is not None and FORMATS[self._format] is not None:
            wanted["response_format"] = self._response_format(schema)
        if stream and "stream" not in self._refused:
            wanted |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in wanted.items() if name not in self._refused}

    def messages(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        """Return the messages as they go over the wire."""
        plain = [{"role": m.role, "content": _encodable(m.content)} for m in messages]
        return plain if self._system_role else _without_system(plain)

    def learn(self, fault: Failure, sent: Mapping[str, object]) -> bool:
        """Note what of the parameters `sent` the server refused; False if it was none of them."""
        if fault.status not in {400, 415, 422, 501} or fault.is_too_long:
            return False
        for name, value in sent.items():
            if _is_named(name, fault):
                self._forget(name, value)
                return True
        if self._system_role and SYSTEM_ROLE.search(fault.words):
            self._system_role = False
            return True
        return False

    def _forget(self, name: str, value: object) -> None:
        if name == "response_format" and isinstance(value, Mapping):
            # Several requests may be refused at once: count from what this one sent.
            self._format = max(self._format, FORMATS.index(value["type"]) + 1)
        else:
            self._refused.add(name)

    def _response_format(self, schema: Mapping[str, object]) -> dict[str, object]:
        if FORMATS[self._format] == "json_object":
            return {"type": "json_object"}
        strict = {"name": "reply", "strict": True, "schema": dict(schema)}
        return {"type": "json_schema", "json_schema": strict}


def _is_named(name: str, fault: Failure) -> bool:
    if re.split(r"[.\[]", fault.parameter)[0] == name:
        return True
    pattern = ALIASES.get(name, rf"\b{re.escape(name)}\b")
    return bool(re.search(pattern, fault.words, re.IGNORECASE))


def _encodable(text: str) -> str:
    """Replace lone surrogates, which come from arguments that are not UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    system = [m["content"] for m in messages if m["role"] == "system"]
    rest = [dict(m) for m in messages if m["role"] != "system"]
    if rest:
        rest[0]["content"] = "\n\n".join([*system, rest[0]["content"]])
    return rest or [{"role": "user", "content": "\n\n".join(system)}]
