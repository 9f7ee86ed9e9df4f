"""Fakes at our own seams: a chat model with a queue of replies, and small papers."""

from qa.corpus.papers import Record, as_paper
from qa.errors import ChatError
from qa.llm.messages import Reply, Usage

ABSTRACTS = (
    "We train networks without backpropagation. It works on CIFAR-10. Code is available.",
    "We study transformers for long documents. They read 16k tokens.",
    "Graph networks are trained layer by layer. No gradients flow between layers.",
)


def paper(number, abstract=None):
    text = abstract or ABSTRACTS[number % len(ABSTRACTS)]
    return as_paper(Record(title=f"Paper {number}", abstract=text, source="papers.txt"))


def papers(count):
    return [paper(number) for number in range(count)]


class QueuedChat:
    """Answers with the next of its replies: a text, an error, or a function of the prompt."""

    model = "queued"

    def __init__(self, *replies):
        self.replies = list(replies)
        self.prompts = []

    async def complete(self, messages, *, schema=None):  # noqa: ARG002
        prompt = messages[-1].content
        self.prompts.append(prompt)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if callable(reply):
            reply = reply(prompt)
        if isinstance(reply, ChatError):
            raise reply
        return Reply(reply, "stop", Usage(calls=1, prompt_tokens=100, completion_tokens=10))

    def stream(self, messages):
        return QueuedStream(self, messages)

    async def close(self):
        pass


class QueuedStream:
    """Yields the next reply in pieces of three characters."""

    def __init__(self, chat, messages):
        self._chat = chat
        self._messages = messages
        self.usage = Usage()

    async def __aiter__(self):
        reply = await self._chat.complete(self._messages)
        self.usage = reply.usage
        for start in range(0, len(reply.text), 3):
            yield reply.text[start : start + 3]

    async def aclose(self):
        pass
