"""What the tools return: the schemas that assistants read, each field described."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Result(BaseModel):
    """A part of a result; what is null is left out of it."""

    model_config = ConfigDict(frozen=True)


class EvidenceSentence(Result):
    """A sentence of an abstract, word for word."""

    sentence: int = Field(description="Its number in the abstract, from 1.")
    text: str = Field(description="The sentence, word for word.")


Match = Literal["yes", "partly", "likely", "possible", "further", "ranked"]


class FoundPaper(Result):
    """A paper of an answer or a search."""

    n: int = Field(description="The number to cite the paper by, as [n], in this result.")
    id: str = Field(description="The paper's id: for get_paper, and for its resource paper://ID.")
    title: str = Field(description="The title.")
    authors: str | None = Field(default=None, description="Who wrote it, abridged; where known.")
    year: int | None = Field(default=None, description="Year of publication, where known.")
    venue: str | None = Field(default=None, description="Journal or conference, where known.")
    match: Match = Field(
        description="How far the paper answers. yes, partly: a chat model has read the abstract "
        "and says so. likely, possible: the score speaks for it, nobody has read it. further: "
        "ranked below those. ranked: in its place in a search, no more is said."
    )
    score: float = Field(description="0 to 1, relative to the best paper of this ranking.")
    cited: bool | None = Field(default=None, description="Whether the written answer cites it.")
    evidence: list[EvidenceSentence] = Field(
        description="The sentences of the abstract that bear most on the question."
    )
    url: str | None = Field(default=None, description="Where it can be read, where known.")


class ReadingCoverage(Result):
    """How much of the corpus a result rests on."""

    corpus: int = Field(description="Papers in the corpus.")
    candidates: int = Field(description="Papers that pass the filters; all without filters.")
    filter: str | None = Field(default=None, description="The filters in words.")
    read: int = Field(default=0, description="Abstracts that a chat model has read; 0 without one.")
    relevant: int = Field(default=0, description="Of those, how many answer the question.")
    partly: int = Field(default=0, description="Of those, how many answer it in part.")
    unjudged: int = Field(default=0, description="Of those, how many got no usable verdict.")
    stopped: Literal["dry", "exhausted", "limit", "failed"] | None = Field(
        default=None,
        description="Why reading ended. dry: reading on turned up nothing more; exhausted: every "
        "paper was read; limit: there may be more; failed: the chat model gave up.",
    )


class Doubt(Result):
    """Something about an answer that its reader should know."""

    kind: str = Field(description="What kind of doubt: unknown_citation, unsupported_number, …")
    detail: str = Field(description="The doubt in words.")


class Usage(Result):
    """What the chat model was asked for."""

    calls: int = Field(description="Requests to the chat model.")
    prompt_tokens: int = Field(description="Tokens sent.")
    completion_tokens: int = Field(description="Tokens received.")
    cost_usd: float | None = Field(default=None, description="US dollars, where prices are known.")


class AskResult(Result):
    """What `ask` comes back with: a checked answer, or the evidence to write one from."""

    question: str = Field(description="The question as it was put.")
    outcome: Literal["answered", "evidence", "not_in_corpus", "nothing_retrieved"] = Field(
        description="answered: a chat model read the papers and wrote the answer. evidence: no "
        "chat model was asked; judge the papers and write the answer yourself. not_in_corpus: "
        "nothing answers, the nearest papers are given. nothing_retrieved: no paper has anything "
        "to do with it."
    )
    model: str | None = Field(
        default=None, description="The chat model that read and wrote; absent: none did."
    )
    answer: str | None = Field(
        default=None, description="The answer, each sentence with the [n] of its papers."
    )
    papers: list[FoundPaper] = Field(description="The papers, best first.")
    left_out: int = Field(
        default=0, description="Papers that match as well but are not listed: see max_papers."
    )
    nearest: list[FoundPaper] = Field(
        default_factory=list, description="What comes closest where nothing answers."
    )
    coverage: ReadingCoverage = Field(description="How much of the corpus this rests on.")
    warnings: list[Doubt] = Field(
        default_factory=list, description="Doubts about the written answer: tell the user."
    )
    usage: Usage | None = Field(default=None, description="What the chat model was asked for.")
    notes: list[str] = Field(default_factory=list, description="What the user should know besides.")
    next: list[str] = Field(default_factory=list, description="What to do next, if need be.")


class SearchResult(Result):
    """What `search_papers` comes back with."""

    query: str = Field(description="What was searched for.")
    papers: list[FoundPaper] = Field(description="The papers, best first.")
    candidates: int = Field(description="Papers that pass the filters; all without filters.")
    corpus: int = Field(description="Papers in the corpus.")
    filter: str | None = Field(default=None, description="The filters in words.")
    notes: list[str] = Field(default_factory=list, description="What the user should know besides.")


class SentencePlace(Result):
    """Where a sentence stands in an abstract."""

    sentence: int = Field(description="Its number, from 1: what evidence refers to.")
    start: int = Field(description="Offset of its first character in the abstract.")
    end: int = Field(description="Offset after its last character.")


class PaperRecord(Result):
    """All that is known of one paper."""

    id: str = Field(description="The paper's id, the same after every rebuild.")
    title: str = Field(description="The title.")
    abstract: str = Field(description="The whole abstract, word for word.")
    sentences: list[SentencePlace] = Field(description="Its sentences, by offsets.")
    authors: list[str] = Field(description="Who wrote it; empty where not known.")
    year: int | None = Field(default=None, description="Year of publication, where known.")
    venue: str | None = Field(default=None, description="Journal or conference, where known.")
    doi: str | None = Field(default=None, description="DOI without prefix, where known.")
    url: str | None = Field(default=None, description="Where it can be read, where known.")
    keywords: list[str] = Field(description="Keywords; empty where not known.")
    sources: list[str] = Field(description="The files of the corpus that have it.")


class PapersResult(Result):
    """What `get_paper` comes back with."""

    papers: list[PaperRecord] = Field(description="The papers, in the order of the ids asked for.")
    missing: list[str] = Field(
        default_factory=list, description="Ids that name no paper, or several, and why."
    )


class StatusResult(Result):
    """What `corpus_status` comes back with."""

    corpus: str = Field(description="The folder or file that the papers come from.")
    ready: bool = Field(
        description="Whether questions are answered at once; false: the first one builds the "
        "vector store, which takes a while and reports progress."
    )
    verdict: str = Field(description="How things stand, in a line, and what to do if need be.")
    papers: int | None = Field(default=None, description="Papers in the vector store.")
    with_year: int | None = Field(default=None, description="Of those, how many have a year.")
    with_authors: int | None = Field(default=None, description="Of those, how many name authors.")
    with_venue: int | None = Field(default=None, description="Of those, how many name a venue.")
    files: int = Field(description="Files of the corpus.")
    sources: list[str] = Field(description="Their names, for the source filter; at most 20.")
    built: str | None = Field(default=None, description="When the vector store was built.")
    embedding: str = Field(description="The embedding model that ranks.")
    model: str | None = Field(
        default=None,
        description="The chat model that reads and writes for ask; absent: ask returns evidence.",
    )
    notes: list[str] = Field(default_factory=list, description="What the user should know besides.")
