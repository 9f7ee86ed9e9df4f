"""The arguments of the tools, as assistants see them described."""

from dataclasses import replace
from typing import Annotated

from pydantic import BeforeValidator, Field

from qa.corpus.filters import Filters
from qa.errors import UsageError

LONGEST = 2000  # characters of a question
MOST = 100  # papers that one result lists
MOST_VALUES, LONGEST_VALUE = 50, 300  # of one filter, in characters: results repeat them


def _several(value: object) -> object:
    """A single value as a list of one, numbers as text: assistants send either."""
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    return [str(one) if isinstance(one, int) else one for one in values]


Question = Annotated[
    str,
    Field(
        max_length=LONGEST,
        description="The whole question in plain words, such as 'which papers train without "
        "backprop?'. One question a call; no search operators.",
    ),
]
Query = Annotated[
    str,
    Field(max_length=LONGEST, description="What the papers should be about: a question or words."),
]
Value = Annotated[str, Field(max_length=LONGEST_VALUE)]
Values = Annotated[list[Value], Field(max_length=MOST_VALUES)]
Years = Annotated[
    Values | None,
    BeforeValidator(_several),
    Field(description="Only papers of these years: 2023, 2023-, -2020 or 2019-2021."),
]
Authors = Annotated[
    Values | None,
    BeforeValidator(_several),
    Field(description="Only papers by any of these authors; a part of the name is enough."),
]
Venues = Annotated[
    Values | None,
    BeforeValidator(_several),
    Field(description="Only papers of any of these journals or conferences; a part is enough."),
]
Sources = Annotated[
    Values | None,
    BeforeValidator(_several),
    Field(description="Only papers from any of these corpus files; a part of the path is enough."),
]
Among = Annotated[
    list[Value] | None,
    BeforeValidator(_several),
    Field(description="Only the papers under these whole ids: to ask within an earlier result."),
]
MaxPapers = Annotated[
    int, Field(ge=1, le=MOST, description="List at most this many papers; cited ones always.")
]
Limit = Annotated[int, Field(ge=1, le=MOST, description="How many papers to return.")]
ReadAtMost = Annotated[
    int | None,
    Field(ge=1, description="With a chat model: read at most this many papers, to save time."),
]
Quick = Annotated[
    bool, Field(description="With a chat model: read one round of papers and no further.")
]
Exhaustive = Annotated[
    bool, Field(description="With a chat model: read every paper. Slow and costly.")
]
EvidenceOnly = Annotated[
    bool,
    Field(description="Do not ask the server's chat model, if it has one: return evidence."),
]
Ids = Annotated[
    list[Value],
    BeforeValidator(_several),
    Field(
        min_length=1,
        max_length=20,
        description="Ids of papers, as ask and search_papers give them; the start is enough.",
    ),
]


def one_line(question: str) -> str:
    """The question without needless space; raises UsageError if nothing is left."""
    text = " ".join(question.split())
    if not text:
        raise UsageError("The question is empty.")
    return text


def filters_of(
    *,
    year: list[str] | None,
    author: list[str] | None,
    venue: list[str] | None,
    source: list[str] | None,
    among: list[str] | None,
) -> Filters:
    """The filters that the arguments ask for; raises UsageError."""
    try:
        filters = Filters.parse(
            years=year or (), authors=author or (), venues=venue or (), sources=source or ()
        )
    except UsageError as exc:
        raise UsageError(str(exc).removeprefix("--")) from exc  # here it is no option
    return replace(filters, ids=tuple(among or ()), ids_are="the papers given by id")
