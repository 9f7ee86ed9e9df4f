"""Phrases that need no citation: they lead in, connect, or say what the papers do not say."""

import re

from qa.answering.verify.claims import Claim, Form
from qa.answering.verify.quantities import find_quantities
from qa.answering.verify.quantity import Quantity, Sort

_CONNECTING = re.compile(
    r"(?:yes|no|none|partly|both|neither|in (?:short|summary|brief|sum|contrast|detail|conclusion)|"
    r"to sum up|overall|for (?:example|instance)|(?:it|that) depends|not stated|in other words|"
    r"see below|that said|on the other hand|details|summary|answer|sources?|references?|note)\W*",
    re.IGNORECASE,
)
_LEADING_IN = re.compile(
    r"\W*(?:the following|here (?:is|are)|below|listed below|these are)\b", re.IGNORECASE
)
_ABOUT_THE_PAPERS = re.compile(
    r"""\W*(?:(?:but|however|beyond\ th(?:is|at)|otherwise|also|still|yet|note(?:\ that)?)[,:]?\s+)?
    (?:(?:(?:none|neither)\ of\ the|the|these|those|neither|no|no\ other|no\ further)
        \s+(?:(?:other|given|listed|cited|available|provided|remaining|two|three|\d+)\s+)*
        (?:abstracts?|papers?|corpus|stud(?:y|ies)|works?|sources?|texts?|articles?|excerpts?)\b
      | none\ of\ (?:them|these|those)\b | nothing\ (?:else\ )?(?:in|about|on|is)\b
      | (?:it|this|that)(?:\ is|'s)\ (?=not|un(?:clear|known|stated|specified))
      | i\ (?:could|can|did)(?=\ not|n't) | there\ (?:is|are)(?=\ no\b)
      | (?:how|what|which|whether|why|when|where|who)\b.*\b(?:is|are)
          (?=\ not\ (?:stated|said|given|specified|reported|mentioned|described))
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_SILENT = re.compile(
    r"\b(?:not|no|none|nothing|neither|never|cannot|silent|unstated|unspecified)\b|n't\b|"
    r"\bun(?:clear|known)\b|\bleaves? (?:it |this |that )?open\b",
    re.IGNORECASE,
)
_TURN = re.compile(r";|\s[–—-]\s|\b(?:but|although|though|whereas|while|yet)\b", re.IGNORECASE)  # noqa: RUF001
_PAPERS = re.compile(
    r"(?:paper|abstract|work|stud(?:y|ie)|article|publication|preprint|entr(?:y|ie)|other)s?"
)


def needs_no_citation(claim: Claim, *, last: bool) -> bool:
    """Tell whether a claim may stand without citation; `last`: nothing follows that it leads to."""
    text = claim.text.strip(" *_")
    if claim.form is Form.HEADING or not re.search(r"\w", text):
        return True
    if text.endswith((":", "?")) or _CONNECTING.fullmatch(text):
        return True
    if not last and (_LEADING_IN.match(text) or _only_counts_papers(text)):
        return True
    return _says_what_is_not_said(text)


def counts_papers(quantity: Quantity) -> bool:
    """Tell whether a number counts papers: "five papers", "two other studies", "three of them"."""
    if quantity.count is None:
        return False
    words = quantity.following
    named = any(_PAPERS.fullmatch(word) for word in words)
    if words[:1] == ("of",):  # "two of them use it", "two of the listed papers", "two of these use"
        pronoun = words[1:2] and words[1] in {"them", "which", "these", "those"}
        things = words[2:3] and words[2].endswith("s")
        return named or bool(pronoun and not things)
    return named


def _only_counts_papers(text: str) -> bool:
    quantities = [q for q in find_quantities(text) if q.sort is not Sort.HINT]
    return len(quantities) == 1 and counts_papers(quantities[0])


def _says_what_is_not_said(text: str) -> bool:
    about = _ABOUT_THE_PAPERS.match(text)
    if about is None:
        return False
    turn = _TURN.search(text, about.end())
    head, rest = (text[: turn.start()], text[turn.end() :]) if turn else (text, "")
    return _SILENT.search(head) is not None and len(rest.split()) < 4
