"""The writer: puts the papers that qualify before the chat model and streams its answer."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from qa.corpus.papers import Paper
from qa.errors import ChatContextTooLong
from qa.llm.messages import Chat, Message, Usage
from qa.llm.prompts import Prompt, as_material
from qa.retrieval.relevance import Likelihood, Relevance

ATTEMPTS = 3  # prompts, each shorter than the one before, until one fits the context
WHOLE = 6  # the best papers are given whole, the others by their proving sentences
EXTENTS = {
    Relevance.YES: "answers fully",
    Relevance.PARTLY: "answers partly",
    Likelihood.LIKELY: "not judged",
    Likelihood.POSSIBLE: "not judged",
}
NOT_IN_CORPUS = "NOT IN CORPUS:"  # how prompts/answer.system.txt lets the writer decline


@dataclass(frozen=True, slots=True)
class NumberedPaper:
    """A paper of the answer under the number that cites it, with its whole abstract."""

    n: int
    paper: Paper
    sentences: tuple[int, ...]  # numbers of the proving sentences, the clearest first
    score: float
    relevance: Relevance | None = None  # the judge's verdict; None: nobody judged the paper
    likelihood: Likelihood | None = None  # by score, where nobody judged
    by_reader: bool = False  # whether the verdict is the reader's own


class Writer:
    """Writes one answer; `usage` tells afterwards what it took."""

    def __init__(self, chat: Chat, system: Prompt, user: Prompt) -> None:
        self._chat = chat
        self._system = system
        self._user = user
        self.usage = Usage()

    async def write(
        self, question: str, papers: Sequence[NumberedPaper], note: str
    ) -> AsyncGenerator[str, None]:
        """Yield the answer, piece by piece as the model writes it.

        A prompt that does not fit the model's context is tried again with less of each abstract.
        Raises a ChatError; what was yielded before it stands.
        """
        for attempt, material in enumerate(_materials(papers)):
            user = self._user.fill(question=question, papers=material, note=note)
            messages = [Message("system", self._system.text), Message("user", user)]
            stream = self._chat.stream(messages)
            try:
                async for piece in stream:
                    yield piece
            except ChatContextTooLong:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            finally:
                self.usage += stream.usage
            return


def _materials(papers: Sequence[NumberedPaper]) -> list[str]:
    """Return the papers as prompt texts, each shorter than the one before, for small contexts."""
    brief = [replace(paper, sentences=paper.sentences[:1]) for paper in papers]
    return [
        "\n\n".join(_material(p, whole=place < WHOLE) for place, p in enumerate(papers)),
        "\n\n".join(_material(paper, whole=False) for paper in papers),
        "\n\n".join(_material(paper, whole=False) for paper in brief),
    ]


def _material(entry: NumberedPaper, *, whole: bool) -> str:
    extent = EXTENTS[entry.relevance or entry.likelihood or Likelihood.POSSIBLE]
    text = as_material(str(entry.n), entry.paper, None if whole else entry.sentences)
    title, _, sentences = text.partition("\n")
    return f"{title} ({extent})\n{sentences}"
