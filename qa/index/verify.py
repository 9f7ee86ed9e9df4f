"""Verification: whether a generation really finds what it holds."""

import random

from qa.corpus.papers import Paper
from qa.errors import StoreDamaged
from qa.index.embedding.embedder import FloatArray
from qa.index.faults import MEND
from qa.index.generation import Generation
from qa.index.seal import broken
from qa.index.stems import longest_word

SAMPLE = 32  # papers
_MISSES = 1  # of them: the search is approximate, if hardly ever so for ten hits


def verify(generation: Generation) -> None:
    """Check every file, and ask for a sample of papers by their own vectors and words.

    Raises StoreDamaged.
    """
    if name := broken(generation.folder, generation.manifest.sums):
        raise StoreDamaged(f"{generation.folder / name} is not as it was written. {MEND}")
    ids = generation.ids()
    sample = random.Random(0).sample(ids, min(SAMPLE, len(ids)))  # noqa: S311 (no secret)
    vectors = generation.vectors(sample)
    papers = generation.papers(sample)
    lost = [paper_id for paper_id in sample if not _found(generation, paper_id, vectors)]
    silent = [paper.id for paper in papers if not _indexed(generation, paper)]
    if len(papers) < len(sample) or len(lost) > _MISSES or silent:
        some = ", ".join([*lost, *silent][:3])
        raise StoreDamaged(
            f"The store in {generation.folder} does not find papers again that it holds ({some}). "
            f"{MEND}"
        )


def _found(generation: Generation, paper_id: str, vectors: dict[str, FloatArray]) -> bool:
    """Tell whether a search by a paper's vector finds it, unless ten others are nearer to it.

    Those may be: the vector of an abstract in several chunks is their mean, and papers repeat.
    """
    if paper_id not in vectors:
        return False
    vector = vectors[paper_id][0]
    hits = generation.nearest(vector, 10)
    own = generation.nearest(vector, 1, only=[paper_id])
    return bool(own) and (paper_id in dict(hits) or own[0][1] <= hits[-1][1] + 1e-4)


def _indexed(generation: Generation, paper: Paper) -> bool:
    word = longest_word(f"{paper.title} {paper.abstract}")
    return word is None or generation.document_frequency(word) > 0
