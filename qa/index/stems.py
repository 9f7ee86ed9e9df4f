"""Stems: what FTS5's tokenizer makes of words, by FTS5 itself, so that words mean the same here."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from re import compile as pattern

TITLE_COUNTS = 2  # a word in the title counts as twice in the abstract
_WORD = pattern(r"[^\W_]+")
_REMEMBERED = 100_000  # words


class Stemmer:
    """Tells the stems of words, and remembers them: rounds of reading repeat most of theirs."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def stems(self, words: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return for each word its stems in order: hardly ever another number of them than one."""
        wanted = list(dict.fromkeys(words))
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        fresh = [word for word in wanted if word not in self._known]
        if fresh:
            self._known.update(zip(fresh, _tokenized(fresh), strict=True))
        return {word: self._known[word] for word in wanted}


def _tokenized(texts: list[str]) -> list[tuple[str, ...]]:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter unicode61')")
    db.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(texts, 'instance')")
    db.executemany(
        "INSERT INTO texts (rowid, text) VALUES (?, ?)",
        # FTS5 reads a text to its first NUL.
        enumerate(text.replace("\0", " ") for text in texts),
    )
    found: list[list[tuple[int, str]]] = [[] for _ in texts]
    for stem, row, offset in db.execute("SELECT term, doc, offset FROM stems"):
        found[row].append((offset, stem))
    db.close()
    return [tuple(stem for _, stem in sorted(stems)) for stems in found]


def count_terms(texts: Iterable[tuple[str, str]], stemmer: Stemmer) -> list[dict[str, int]]:
    """Return for each (title, abstract) how often it has each word, forms of a stem together.

    A stem goes by the form that is most frequent in all the texts; title words count as
    TITLE_COUNTS.
    """
    words = [(words_of(title), words_of(abstract)) for title, abstract in texts]
    forms = Counter(word for pair in words for part in pair for word in part)
    name: dict[tuple[str, ...], str] = {}  # by stem
    named: dict[str, str] = {}  # by form
    stems = stemmer.stems(forms)
    for word, _ in forms.most_common():
        named[word] = name.setdefault(stems[word] or (word,), word)
    counts = []
    for title, abstract in words:
        count: defaultdict[str, int] = defaultdict(int)
        for part, weight in ((title, TITLE_COUNTS), (abstract, 1)):
            for word in part:
                count[named[word]] += weight
        counts.append(dict(count))
    return counts


def longest_word(text: str) -> str | None:
    """Return a text's longest word, if it has any."""
    return max(words_of(text), key=len, default=None)


def words_of(text: str) -> list[str]:
    """Return a text's words in lower case, in order."""
    return _WORD.findall(text.lower())
