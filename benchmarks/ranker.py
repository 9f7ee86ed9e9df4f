"""This project's retrieval, opened once and asked many times in one process.

    python benchmarks/ranker.py CORPUS STORE ROUNDS "question" ["question" …]

prints, as one JSON object, the milliseconds of each question's rounds and of opening the store;
`speed.py` runs it like this, so that the memory measured is that of asking alone.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from our_program import OurProgram

from qa.answering.reading import ReadingHistory
from qa.config import Config
from qa.library.opening import open_library
from qa.progress import ignore_progress
from qa.retrieval.relevance import Relevance, Verdict
from qa.retrieval.retriever import Retriever

TAKEN_AS_RELEVANT = 10  # in place of a judge: the papers that the first ranking puts first


@contextmanager
def open_retriever(program: OurProgram) -> Iterator[Retriever]:
    """Open the program's store for ranking, without a chat model."""
    config = Config.from_env(program.environment())
    with open_library(config, ignore_progress, print, chat=False) as library:
        yield library.retriever()


def rounds(retriever: Retriever, question: str, count: int) -> Iterator[float]:
    """Yield the milliseconds of each ranking of a question that is read on for some rounds."""
    began = time.perf_counter()
    search = retriever.rank(question)
    yield _since(began)
    relevant = frozenset(search.ranking.ids[:TAKEN_AS_RELEVANT])
    reading = ReadingHistory()
    for _ in range(1, count):
        ids = retriever.next_to_read(search, reading.rounds, exhaustive=False)
        if not ids:
            return
        verdicts = tuple(_verdict(id_, relevant) for id_ in ids)
        reading = replace(reading, rounds=(*reading.rounds, verdicts))
        began = time.perf_counter()
        search = retriever.rerank(search, reading.rounds)
        yield _since(began)


def _verdict(paper: str, relevant: frozenset[str]) -> Verdict:
    return Verdict(paper, Relevance.YES if paper in relevant else Relevance.NO)


def _since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 2)


def main() -> None:
    """Print the times of the questions given on the command line."""
    program = OurProgram(Path(sys.argv[1]), Path(sys.argv[2]))
    began = time.perf_counter()
    with open_retriever(program) as retriever:
        opening = _since(began)
        asked = [list(rounds(retriever, text, int(sys.argv[3]))) for text in sys.argv[4:]]
    print(json.dumps({"open_ms": opening, "rounds_ms": asked}))


if __name__ == "__main__":
    main()
