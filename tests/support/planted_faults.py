"""Answers written by a script from real abstracts, without fault or with faults planted in them."""

import random
import re
from dataclasses import dataclass, field

from qa.corpus.sentences import split_sentences

_NUMBER = re.compile(  # not the numbers of a list: (1), 2)
    r"(?<![\w.,/^{(-])(?!\d+\))\d+(?:\.\d+)?(?![\w.,/^}-]*\w)|(?<![\w.,-])\d+\.\d+(?=\\?%|x\b)"
)
_COUNTED = "two three four five six seven eight nine ten eleven twelve twenty thirty"
_WORDS = _COUNTED.split()
_VALUES = dict(zip(_WORDS, [*range(2, 13), 20, 30], strict=True))
_WORD = re.compile(rf"(?<![\w-])(?:{'|'.join(_WORDS)})(?= [a-z])")
_UNCITED = (
    "This approach reaches state-of-the-art accuracy on most benchmarks.",
    "It is therefore the best choice for practitioners.",
    "Such methods are also more plausible biologically than backpropagation.",
    "The abstracts show that depth hurts, but wider layers always help a lot.",
    "Training takes far less memory than with any other method.",
    "NoProp wins.",
)
_FAKE_TITLES = (
    "Learning Deep Representations by Local Gradient Exchange",
    "Attention Without Softmax: A Study of Linear Kernels",
    "Towards Robust Pruning of Very Large Vision Transformers",
    "A Unified View of Sparse Mixture Training",
)


@dataclass
class Scripted:
    """An answer with the places and kinds of the faults planted in it."""

    papers: dict
    text: str = ""
    faults: list = field(default_factory=list)  # (kind, start, end)

    def add(self, text, kind=None):
        if kind:
            self.faults.append((kind, len(self.text), len(self.text) + len(text)))
        self.text += text


def scripted_answer(corpus, seed, *, faults):
    """An answer on some papers of the corpus, with up to four planted faults if wanted."""
    rng = random.Random(seed)
    chosen = rng.sample(corpus, rng.randint(2, 9))
    answer = Scripted({n: (paper.title, paper.abstract) for n, paper in enumerate(chosen, start=1)})
    planted = set(rng.sample(range(8), rng.randint(1, 4))) if faults else set()
    listed = rng.random() < 0.5
    if rng.random() < 0.5:
        answer.add(rng.choice(["These papers answer the question:\n\n", "Answer:\n\n"]))
    for place in range(8):
        n = rng.choice(list(answer.papers))
        answer.add(rng.choice(["- ", "* "]) if listed else "")
        _write(answer, rng, n, fault=place in planted)
        answer.add("\n" if listed else rng.choice([" ", "\n\n"]))
    return answer


def _write(answer, rng, n, *, fault):
    kinds = [_sentence, _quotation, _title]
    if fault:
        kinds = [_unknown, _uncited, _number, _number, _misquote, _fake_title, _wrong_title]
    rng.choice(kinds)(answer, rng, n)


def _cited(rng, sentence, marker):
    """The sentence with its marker before or behind its full stop."""
    body = sentence.rstrip(".")
    if body == sentence or rng.random() < 0.5:
        return f"{sentence} {marker}"
    return f"{body} {marker}."


def _marker(answer, rng, n):
    other = rng.choice(list(answer.papers))
    return rng.choice([f"[{n}]", f"[{n}]", f"[{n}][{other}]", f"[{n}, {other}]", f"【{n}】"])


def _picked(answer, rng, n):
    """A sentence of the paper that has no brackets, which the writer is not to copy."""
    sentences = [s.text for s in split_sentences(answer.papers[n][1])]
    usable = [
        s
        for s in sentences
        if not re.search(r"[\[\]\n]|http|\w\.\w+/", s) and s[0].isupper() and s[-1] == "."
    ]
    return rng.choice(usable or ["It works."])


def _sentence(answer, rng, n):
    answer.add(_cited(rng, _picked(answer, rng, n), _marker(answer, rng, n)))


def _quotation(answer, rng, n):
    answer.add(f"As [{n}] puts it, “{_part(answer, rng, n)}” [{n}].")


def _part(answer, rng, n):
    """Some words in a row of the paper, without quotation marks of their own."""
    sentence = _picked(answer, rng, n)
    while re.search(r"[\"“”'’`]", sentence) or len(sentence.split()) < 5:  # noqa: RUF001
        sentence = _picked(answer, rng, n)
    words = sentence.split()
    start = rng.randrange(max(1, len(words) - 6))
    return " ".join(words[start : start + rng.randint(5, 14)])


def _title(answer, rng, n):
    title = answer.papers[n][0]
    answer.add(rng.choice([f"**{title}** [{n}]", f"*{title}* [{n}]", f"**{title} [{n}]**"]))
    answer.add(f": {_cited(rng, _picked(answer, rng, n), f'[{n}]')}")


def _unknown(answer, rng, n):
    last = len(answer.papers)
    answer.add(_picked(answer, rng, n).rstrip(".") + f" [{n}]")
    bad = rng.choice([last + 1, last + rng.randint(2, 60), 0, 2019])
    form = rng.choice(["[{}]", "[{}]", "【{}】", "[^{}]", "[P{}]", f"[{n}, {{}}]", f"[{n}-{{}}]"])
    if bad == 0:
        form = "[{}]"
    answer.add(form.format(bad), "unknown_citation")
    answer.add(".")


def _uncited(answer, rng, n):
    answer.add(rng.choice(_UNCITED), "uncited_sentence")


def _number(answer, rng, n):
    """A sentence of the paper with one number changed to one that no paper of the list has."""
    everything = " ".join(text for paper in answer.papers.values() for text in paper).lower()
    for _ in range(30):
        sentence = _picked(answer, rng, n)
        found = [*_NUMBER.finditer(sentence), *_WORD.finditer(sentence)]
        if not found:
            continue
        match = rng.choice(found)
        wrong = _wrong(match[0], rng, everything)
        if wrong:
            answer.add(sentence[: match.start()])
            answer.add(wrong, "unsupported_number")
            answer.add(_cited(rng, sentence[match.end() :] or " in all.", f"[{n}]"))
            return
    answer.add("It takes ")
    answer.add("7341", "unsupported_number")
    answer.add(f" steps [{n}].")


def _wrong(right, rng, everything):
    for _ in range(20):
        if right in _VALUES:
            wrong = rng.choice(_WORDS)
            known = wrong in everything or str(_VALUES[wrong]) in everything
        else:
            place = rng.choice([i for i, character in enumerate(right) if character.isdigit()])
            wrong = right[:place] + rng.choice("123456789") + right[place + 1 :]
            words = [word for word, value in _VALUES.items() if str(value) == wrong.lstrip("0")]
            known = wrong in everything or any(word in everything for word in words)
            known = known or float(wrong) in {0, 1, 2, 100} or float(wrong) == float(right)
        if not known:
            return wrong
    return None


def _misquote(answer, rng, n):
    words = _part(answer, rng, n).split()
    words[rng.randrange(1, len(words) - 1)] = rng.choice(["never", "tomatoes", "seldom"])
    answer.add(f"As [{n}] puts it, ")
    answer.add(f"“{' '.join(words)}”", "misquote")
    answer.add(f" [{n}].")


def _fake_title(answer, rng, n):
    title = rng.choice(_FAKE_TITLES)
    if rng.random() < 0.5:  # a real title, one word of it changed
        words = answer.papers[n][0].split()
        if len(words) > 4:
            words[rng.randrange(1, len(words))] = "Tomatoes"
            title = " ".join(words)
    answer.add(rng.choice(["**", "*"]))
    mark = answer.text[-2:] if answer.text.endswith("**") else "*"
    answer.add(title, "unknown_title")
    answer.add(f"{mark} [{n}]: {_cited(rng, _picked(answer, rng, n), f'[{n}]')}")


def _wrong_title(answer, rng, n):
    other = rng.choice([m for m in answer.papers if m != n])
    answer.add("**")
    answer.add(answer.papers[other][0], "wrong_title")
    answer.add(f"** [{n}]: {_cited(rng, _picked(answer, rng, n), f'[{n}]')}")
