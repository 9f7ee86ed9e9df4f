"""Which language a text is in, by its most frequent words or its script: enough to warn by.

The keyword index cuts English words to their stems and the bundled embedding model knows English,
so both serve other languages badly.
"""

import re
from collections import Counter
from collections.abc import Iterable

ENGLISH = "English"
_STOP_WORDS = {
    ENGLISH: "the of and to in is that for we with on are this by from as be an which it our can",
    "German": "der die und das den von zu mit ist des im für auf eine wird dass sich nicht werden "
    "ein dem sind bei wir einer durch",
    "Spanish": "de la que el en los del las se por con una para como es un al más este esta son "
    "entre sobre",
    "French": "de la les des et le en du une dans que est pour par un sur nous sont qui avec ce "
    "cette au aux plus",
    "Portuguese": "de a que o e do da em os no na dos para uma com as um por se foi mais são ao "
    "não pela",
    "Italian": "di e che la il in per un del una della con è dei le gli si da nel alla sono delle "
    "questo",
    "Dutch": "de van het een en in dat is op te met voor zijn die aan wordt door er ook niet bij "
    "deze",
    "Swedish": "och att i en som av på är för det med till den ett har de inte om vi från var",
    "Polish": "i w na z do się że jest oraz nie od dla są przez jak które tego po",
    "Turkish": "ve bir bu ile için olarak da de olan en daha çok göre kadar sonra",
}
_WORDS = {language: frozenset(words.split()) for language, words in _STOP_WORDS.items()}
_SCRIPTS = {
    "Japanese": re.compile(r"[\u3040-\u30ff]"),  # before Chinese, whose signs it has too
    "Chinese": re.compile(r"[\u4e00-\u9fff]"),
    "Korean": re.compile(r"[\uac00-\ud7af]"),
    "Russian": re.compile(r"[\u0400-\u04ff]"),
    "Arabic": re.compile(r"[\u0600-\u06ff]"),
    "Greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]"),
    "Hindi": re.compile(r"[\u0900-\u097f]"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]"),
}
_WORD = re.compile(r"[^\W\d_]+")
_READ = 1500  # characters of a text
_LEAST_WORDS = 8  # of a text whose language can be told by its words
_LEAST_SHARE = 0.12  # of stop words among the words of a text; prose has about 0.3
_SCRIPT_SHARE = 0.2  # of letters in another script; formulas have some Greek ones


def language_of(text: str) -> str | None:
    """Return the language of a text, such as "German"; None where it cannot be told."""
    text = text[:_READ].lower()
    if not text.isascii():
        letters = sum(map(str.isalpha, text))
        for language, letter in _SCRIPTS.items():
            if len(letter.findall(text)) > _SCRIPT_SHARE * letters:
                return language
    words = _WORD.findall(text)
    if len(words) < _LEAST_WORDS:
        return None
    shares = {
        language: sum(word in stop_words for word in words) / len(words)
        for language, stop_words in _WORDS.items()
    }
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= _LEAST_SHARE else None


def other_languages(texts: Iterable[str]) -> dict[str, float]:
    """Return the share of the texts in each language other than English, the largest first.

    Texts whose language cannot be told count among all.
    """
    count = 0
    found: Counter[str] = Counter()
    for text in texts:
        count += 1
        language = language_of(text)
        if language not in (None, ENGLISH):
            found[str(language)] += 1
    return {language: number / count for language, number in found.most_common()}
