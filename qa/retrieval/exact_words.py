"""Exact words: the names, identifiers and quoted phrases of a question, and the papers with them.

An embedding knows little of a rare name, and BM25 counts it as one word of many. So a name is
recognised by its form (capitals within it, digits, quotation marks), looked up in the keyword
index, and checked in the text: in one piece or several (GPT-2, GPT2; MSCOCO, MS COCO), in the
singular or plural, and in its own case where another case is an ordinary word (RAG, rag).
"""

# ruff: noqa: RUF001 (patterns contain quotation marks of many kinds)

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from qa.corpus.words import STOP_WORDS

MOST_EXACT = 2000  # papers that are looked through for one name
# Papers that may have a name for it to be rare: it then counts in a question with other words.
RARE, RARE_SHARE = 5, 0.03
OTHERWISE = 0.5  # weight of another way to write a name
LONGEST_SPLIT = 12  # characters of a name that may also be written in two parts
MOST_CAPITALS = 0.5  # share of the words; where more are capitalised, capitals tell nothing

_QUOTED = re.compile(r"[\"“”„«]([^\"“”„«»]{2,80})[\"“”»]")
_TOKEN = re.compile(r"[^\W_](?:[^\s,;:!?()\[\]{}\"“”„«»]*[^\W_])?")
_PART = re.compile(r"[^\W\d_]+|\d+")
_INNER_CAPITAL = re.compile(r"[^\W_]\S*[A-Z]")
_DIGIT_AFTER_LETTER = re.compile(r"[^\W\d_]+-?\d[^\W_]*")
_MENTIONED = re.compile(
    r"\b(?:mention|contain|name|include|say|refer to)(?:s|ing|ed)?\s+(?:the\s+)?"
    r"(?:(?:word|name|term|phrase)s?\s+)?(?P<term>[^?!.,;:]+)",
    re.IGNORECASE,
)

# Words that add nothing to a name: "which papers use the DeiT model?" hangs on DeiT.
_BESIDE_WORDS = (
    "algorithm approach architecture benchmark corpus data dataset datasets framework library "
    "method model models network networks system technique tool toolkit package program language "
    "apply applies applied employ employs evaluate evaluated test tested work works rely relies "
    "compare compared based build builds built cite cites contain contains include includes "
    "refer well word words term phrase set which what who"
)
_BESIDE_A_NAME = frozenset(_BESIDE_WORDS.split())


@dataclass(frozen=True)
class ExactWord:
    """A name, identifier or phrase that a paper has or has not."""

    text: str  # as it was asked
    is_certain: bool = True  # a capital at its beginning alone may be no name

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Return its runs of letters and of digits: ConvNeXt-V2 has ConvNeXt, V and 2."""
        return tuple(_PART.findall(self.text))

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """Return the phrases, in lower case, that the keyword index can look for."""
        words = re.findall(r"[^\W_]+", self.text.lower())
        forms = [" ".join(words), "".join(words), " ".join(self.parts).lower()]
        return tuple(dict.fromkeys([*forms, *(f"{a} {b}".lower() for a, b in self._splits)]))

    @cached_property
    def _splits(self) -> tuple[tuple[str, str], ...]:
        """Return the two parts that a name of capitals in one piece may be written in."""
        if not self.text.isalnum() or not _has_inner_capital(self.text):
            return ()
        if len(self.text) > LONGEST_SPLIT:
            return ()
        return tuple((self.text[:i], self.text[i:]) for i in range(2, len(self.text) - 1))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        *front, last = self.parts
        if front and last == "s":  # a plural, as in "LLMs" after a digit
            last = ""
        elif len(last) > 2 and last.endswith("s") and last[-2:-1].isupper():
            last = last[:-1]  # LLMs, CNNs
        body = r"[\W_]{0,2}".join([*map(re.escape, front), re.escape(last)])
        return re.compile(rf"(?<![^\W_]){body}(?:s|es|['’]s)?(?![^\W_])", re.IGNORECASE)

    @cached_property
    def _in_two(self) -> re.Pattern[str] | None:
        if not self._splits:
            return None
        forms = "|".join(rf"{re.escape(a)}[-\s]{re.escape(b)}" for a, b in self._splits)
        return re.compile(rf"(?<![^\W_])(?:{forms})(?![^\W_])")

    def forms_in(self, text: str) -> set[str]:
        """Return the forms in which it stands in a text; empty: it is not there."""
        found = {match[0] for match in self._pattern.finditer(text)}
        if not found and self._in_two is not None:
            found = {match[0] for match in self._in_two.finditer(text)}
        return found

    def choose(self, texts: Iterable[tuple[str, str]]) -> dict[str, float]:
        """Return the ids of the (id, text) that have it: 1.0 as it was asked, else OTHERWISE.

        Where some have it as it was asked, texts that only have it in lower case mean something
        else.
        """
        found = {id_: forms for id_, text in texts if (forms := self.forms_in(text))}
        cased = any(self.text in forms for forms in found.values())
        if cased and _has_inner_capital(self.text):
            found = {
                id_: forms
                for id_, forms in found.items()
                if any(form != form.lower() for form in forms)
            }
        return {id_: 1.0 if self.text in forms else OTHERWISE for id_, forms in found.items()}


def exact_words(question: str) -> tuple[ExactWord, ...]:
    """Return the question's quoted phrases and what has the form of a name, in order."""
    quoted = [ExactWord(phrase.strip()) for phrase in _QUOTED.findall(question)]
    tokens = [t.removesuffix("'s").removesuffix("’s") for t in _tokens(question)]
    if question.isupper() and len(tokens) > 2:  # capitals tell nothing
        return tuple(word for word in quoted if word.parts)
    many = sum(token[0].isupper() for token in tokens[1:]) > MOST_CAPITALS * len(tokens[1:])
    names = [ExactWord(t, is_certain=True) for t in tokens if _is_name(t)]
    names += [
        ExactWord(token, is_certain=False)
        for token in tokens[1:]
        if not many
        and token[0].isupper()
        and len(token) > 2
        and not _is_name(token)
        and token.lower() not in STOP_WORDS
    ]
    return tuple(word for word in dict.fromkeys([*quoted, *names]) if word.parts)


def _tokens(question: str) -> list[str]:
    return _TOKEN.findall(_QUOTED.sub(" ", question))


def _is_name(token: str) -> bool:
    """Tell whether a word has the form of a name: DeiT, GPT-2, resnet50."""
    if token.lower() in STOP_WORDS or token[0].isdigit() or len(token) < 2:
        return False
    joined = "-" not in token and _DIGIT_AFTER_LETTER.fullmatch(token) is not None
    return joined or _has_inner_capital(token)


def _has_inner_capital(token: str) -> bool:
    return _INNER_CAPITAL.match(token) is not None


def mentioned(question: str) -> ExactWord | None:
    """Return what a question asks to be mentioned: "which papers mention softplus?"."""
    found = _MENTIONED.search(question)
    term = found["term"].strip().strip("\"“”'") if found else ""
    return ExactWord(term) if _PART.search(term) and len(term.split()) <= 4 else None


def exact_limit(papers: int) -> int:
    """Return in how many papers of a corpus a rare name may be."""
    return max(RARE, int(RARE_SHARE * papers))


def is_all_of(words: Iterable[ExactWord], content: Iterable[str]) -> bool:
    """Tell whether a question with these content words hangs on its exact words alone."""
    named = {part for word in words for part in re.findall(r"[^\W_]+", word.text.lower())}
    rest = {word for word in content if word not in named and word not in _BESIDE_A_NAME}
    return bool(named) and not rest
