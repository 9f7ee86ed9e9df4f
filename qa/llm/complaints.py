"""What is wrong with replies that did come: one line for the user, and what to do."""

from dataclasses import dataclass

from qa.errors import ChatBadReply, ChatError, ChatRefused, ChatTimeout
from qa.llm.completion import Part
from qa.llm.endpoint import Endpoint
from qa.llm.faults import Fault
from qa.llm.limits import TIMEOUT_VARIABLE, Limits


@dataclass(frozen=True, slots=True)
class Complaints:
    """Errors about one model's replies."""

    model: str
    endpoint: Endpoint
    limits: Limits

    def no_answer(self, part: Part) -> ChatError:
        """Return the error for a reply that ended without text."""
        if part.called_tool:
            why = "called a tool, of which it was given none"
        elif part.finish == "length":
            why = "used up its output limit before the answer began"
        else:
            why = "sent an empty reply"
        return ChatBadReply(
            f"{self.model} on {self.endpoint.host} {why}: ask again, or set another QA_MODEL"
        )

    def refused(self, part: Part) -> ChatError:
        """Return the error for a model, or its guard, that would not answer."""
        why = self.endpoint.quote(part.refusal) or "a content filter stopped the reply"
        return ChatRefused(
            f"{self.model} declined to answer ({why}): ask differently, or set another QA_MODEL"
        )

    def cut_short(self) -> ChatError:
        """Return the error for a reply that reached the output limit."""
        return ChatBadReply(
            f"{self.model} reached its output limit. Ask for less, or set a QA_MODEL with longer"
            " replies"
        )

    def broken_off(self, fault: Fault) -> ChatError:
        """Return the error for a stream that ended in the middle."""
        words = self.endpoint.quote(fault.words)
        return ChatBadReply(
            f"the reply of {self.model} on {self.endpoint.host} broke off in the middle"
            f" ({words or 'no reason given'}): ask again"
        )

    def not_a_reply(self) -> ChatError:
        """Return the error for something that is not of this protocol."""
        return ChatBadReply(
            f"{self.endpoint.host} sent something that is no chat reply (a web page?):"
            " check OPENAI_BASE_URL, and any proxy on the way"
        )

    def too_slow(self) -> ChatError:
        """Return the error for a reply that did not come in time."""
        return ChatTimeout(
            f"no reply from {self.model} on {self.endpoint.host} within {self.limits.total:g} s:"
            f" set {TIMEOUT_VARIABLE} to more seconds, or use a faster model"
        )

    def stalled(self) -> ChatError:
        """Return the error for a stream that stopped coming."""
        return ChatTimeout(
            f"the reply of {self.model} on {self.endpoint.host} stopped in the middle (nothing for"
            f" {self.limits.idle:g} s, or no end for {self.limits.stream:g} s): set"
            f" {TIMEOUT_VARIABLE} to more seconds, or ask again"
        )
