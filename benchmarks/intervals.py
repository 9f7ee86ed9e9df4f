"""Measures how often the interval of the estimate holds, over many simulated readings.

Each labelled question is read with judges that know the labels and err at random in 0, 2, 5 or 10 %
of the papers, with and without `--recall 0.95`. The truth is what the same judge says of every
paper. With `--halves` random halves of the corpora are read as well. `balanced` is how often the
interval holds where a judge that never errs counts as much as all that err; `held` counts every
reading once, three quarters of which have a judge that errs. The last line is one JSON object.

    python benchmarks/intervals.py CORPUS QUESTIONS [CORPUS QUESTIONS …] [--halves] [--store FOLDER]
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median

import platformdirs
from our_program import OurProgram, read_papers, write_jsonl

from qa.answering.evaluate import GoldJudge, load_questions, score
from qa.answering.reading import Limits
from qa.config import APP, Config
from qa.corpus.papers import title_key
from qa.library.opening import open_library
from qa.library.waiting import run
from qa.progress import ignore_progress

FLIPS = (0.0, 0.02, 0.05, 0.1)
LIMITS = {"default": Limits(), "recall 0.95": Limits(recall=0.95)}

Run = dict[str, float | str | bool | None]  # figures of one reading


def main() -> None:
    """Measure, print a line for each kind of run, and the figures as one JSON object."""
    given = _arguments()
    runs = [
        one
        for corpus, questions in zip(given.files[::2], given.files[1::2], strict=True)
        for name, part in parts(corpus, questions.parent.name, given.store, halves=given.halves)
        for one in readings(name, part, questions, given.store, given.seeds)
    ]
    kinds = sorted({str(one["kind"]) for one in runs})
    table = {kind: summary([one for one in runs if one["kind"] == kind]) for kind in kinds}
    table["all"] = summary(runs)
    for kind, figures in table.items():
        print(f"{kind:45}", "  ".join(f"{name} {value}" for name, value in figures.items()))
    print(json.dumps(table))


def parts(corpus: Path, name: str, store: Path, *, halves: bool) -> Iterator[tuple[str, Path]]:
    """Return the corpus, and on request two random halves of it, each with a name."""
    yield name, corpus
    if not halves:
        return
    papers = read_papers(corpus)
    store.mkdir(parents=True, exist_ok=True)
    for seed in range(2):
        half = random.Random(seed).sample(papers, len(papers) // 2)
        yield f"{name}, half", write_jsonl(half, store / f"{name}-half-{seed}.jsonl")


def readings(name: str, corpus: Path, questions: Path, store: Path, seeds: int) -> list[Run]:
    """Return what came of each reading of one corpus."""
    config = Config.from_env(OurProgram(corpus, store).environment())
    runs: list[Run] = []
    with open_library(config, ignore_progress, _note, chat=False) as library:
        papers = library.papers()
        keys = {paper.id: title_key(paper.title) for paper in papers}
        for labelled in load_questions(questions):
            question = replace(labelled, relevant=labelled.relevant & set(keys.values()))
            for flip in FLIPS:
                for seed in range(seeds if flip else 1):
                    judge = GoldJudge(question, flip=flip, seed=seed)
                    truth = judge.count(papers)
                    for limit, limits in LIMITS.items():
                        if flip and limits.recall:
                            continue  # a judge that errs everywhere has all papers read
                        result = run(library.judged_by(judge, question.question, limits))
                        scored = score(question, result, keys.__getitem__, truth)
                        low, high = scored.interval or (0, 0)
                        runs.append(
                            {
                                "kind": f"{name} {question.type} {flip} {limit}",
                                "errs": flip > 0,
                                "held": scored.holds,
                                "width": (high - low) / truth if truth else None,
                                "recall": scored.recall,
                                "expected": scored.expected,
                                "read": scored.read,
                            }
                        )
    return runs


def summary(runs: list[Run]) -> dict[str, float | int | None]:
    """Return how often the interval held, its median width, and mean recall and papers read."""
    widths = [float(one["width"]) for one in runs if one["width"] is not None]
    recalls = [float(one["recall"]) for one in runs if one["recall"] is not None]
    kinds = [[bool(one["held"]) for one in runs if one["errs"] is errs] for errs in (False, True)]
    return {
        "runs": len(runs),
        "held": round(fmean(bool(one["held"]) for one in runs), 3),
        "balanced": round(fmean(map(fmean, kinds)), 3) if all(kinds) else None,
        "width": round(median(widths), 2) if widths else None,
        "recall": round(fmean(recalls), 3) if recalls else None,
        "read": round(fmean(float(one["read"] or 0) for one in runs), 1),
    }


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    cache = platformdirs.user_cache_path(APP) / "benchmarks"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--store", type=Path, default=cache / "screening-stores")
    parser.add_argument("--halves", action="store_true", help="read halves of the corpora, too")
    parser.add_argument("--seeds", type=int, default=2, help="erring judges of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
