"""What the tests of the store share: a tiny embedder, corpora on disk, and looks at a store."""

import hashlib
import random
import re

import numpy as np

from qa.corpus.readers.corpus import read_corpus
from qa.errors import Action, Hint
from qa.index.build import build
from qa.index.generation import Generation

TOPICS = ["graphs", "speech", "proteins", "robots", "retrieval", "diffusion", "optics", "weather"]
WORDS = [
    *["model", "data", "layer", "gradient", "token", "sparse", "dense", "bound", "proof", "sample"],
    *["noise", "signal", "kernel", "tree", "policy", "reward", "agent", "frame", "pixel", "vowel"],
    *["atom", "cell", "price", "storm", "cloud", "lens", "photon", "query", "index", "market"],
]


class HashEmbedder:
    """Vectors of hashed words: the same on every machine, near for texts that share words."""

    name = "hash"

    def __init__(self, *, dimension=32, version=1, fail_after=None):
        self.dimension = dimension
        self.fingerprint = f"hash-{dimension}-{version}"
        self.passages = 0
        self._fail_after = fail_after

    def embed(self, texts):
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                digest = hashlib.blake2b(f"{self.fingerprint} {word}".encode()).digest()
                row[digest[0] % self.dimension] += 1 if digest[1] & 1 else -1
                row[digest[2] % self.dimension] += 1 if digest[3] & 1 else -1
            row[0] += 0.01  # never all zero
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_passages(self, passages):
        if self._fail_after is not None and self.passages + len(passages) > self._fail_after:
            raise KeyboardInterrupt
        self.passages += len(passages)
        return [self.embed([p.text, *(p.text[a:b] for a, b in p.spans)]) for p in passages]


def entry(number, *, revision=0, sentences=4):
    """Return the title and abstract of paper `number`."""
    chance = random.Random(f"{number} {revision}")
    topic = TOPICS[number % len(TOPICS)]
    title = f"Paper number {number} about {topic}"
    parts = [
        f"We study {topic} with {' '.join(chance.choices(WORDS, k=14))} number{number}part{part}."
        for part in range(sentences)
    ]
    return title, " ".join(parts)


def write_corpus(folder, entries, *, name="papers.txt"):
    """Write entries as a page of titles and abstracts, and return the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for title, abstract in entries for line in (title, abstract)]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return read_corpus(folder)


def corpus_of(folder, numbers, *, revised=()):
    """Write a corpus of the numbered papers, some of them revised, and return it."""
    return write_corpus(folder, [entry(n, revision=int(n in revised)) for n in numbers])


def build_hint(corpus):
    """Return the hint of an error that a rebuild of the corpus mends."""
    return Hint(Action.REBUILD, corpus.path)


def opened(store, corpus, embedder, **options):
    """Open the live generation."""
    return Generation.open(store, corpus.path, fingerprint=embedder.fingerprint, **options)


def built(store, corpus, embedder, **options):
    """Build, and return the live generation, opened."""
    build(store, corpus, embedder, **options)
    return opened(store, corpus, embedder)


def content(generation):
    """Return everything that a generation would answer, in a form to compare."""
    ids = sorted(generation.ids())
    vectors = generation.vectors(ids)
    papers = {paper.id: paper for paper in generation.papers(ids)}
    found = {}
    for paper_id in ids:
        hits = dict(generation.nearest(vectors[paper_id][0], 3))
        assert hits[paper_id] > 0.99
        found[paper_id] = (papers[paper_id].abstract, vectors[paper_id].tobytes())
    assert generation.vector_count() == generation.manifest.chunks
    return found
