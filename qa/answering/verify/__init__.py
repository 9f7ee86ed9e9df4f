"""The check of an answer against the papers it cites, sentence by sentence, without a model.

Kinds of findings:

unknown_citation    a number in brackets that is no paper's
uncited_sentence    a sentence, list item or table row that cites nothing
unsupported_number  a number, share, factor, or name with digits that no cited abstract has
wrong_count         "five papers" where it is not five
misquote            a quotation that no cited abstract has word for word
unknown_title       a title that no paper of the corpus has
wrong_title         a title before the number of another paper
unknown_link        an address that no cited abstract has
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with an answer: it concerns `answer[start:end]`."""

    kind: str  # one of those above
    detail: str  # a sentence for the reader
    start: int
    end: int
    mark: int  # where a mark for it goes: behind its claim, or behind the answer for a count
