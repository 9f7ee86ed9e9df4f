"""Compares reading with ASReview's simulation of active learning on the same screening data.

Each folder holds `corpus.csv` and `question.jsonl`, as `qa eval` reads them. ASReview gets the same
papers, one relevant and one irrelevant paper to begin with, ten seeds, its default model; its curve
is the median over the seeds. We get the question and a judge that knows the labels. The last line
is one JSON object.

    python benchmarks/versus_asreview.py FOLDER [FOLDER …] [--venv FOLDER] [--seeds N]
"""

import argparse
import csv
import json
import sqlite3
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray
from our_program import OurProgram

from qa.answering.evaluate import GoldJudge, Question, load_questions
from qa.answering.events import RoundRead
from qa.answering.reading import Limits
from qa.config import APP, Config
from qa.corpus.papers import Paper, title_key
from qa.library.library import Library
from qa.library.opening import open_library
from qa.library.waiting import run
from qa.progress import ignore_progress

PACKAGE = "asreview==2.2"
SHARE = 0.95  # of the relevant papers, to be found

Figures = dict[str, Any]
Curve = NDArray[np.float64]  # recall after 1, 2, … papers


def main() -> None:
    """Measure each review, print the table, and the figures as one JSON object."""
    given = _arguments()
    program = prepared_environment(given.venv)
    rows = []
    for folder in given.folders:
        row = compared(folder, program, given.seeds, given.store)
        rows.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    print(json.dumps({"reviews": rows, "mean": _means(rows)}))


def compared(folder: Path, program: Path, seeds: int, store: Path) -> Figures:
    """Return one review's figures."""
    corpus = folder / "corpus.csv"
    question = load_questions(folder / "question.jsonl")[0]
    config = Config.from_env(OurProgram(corpus, store).environment())
    with open_library(config, ignore_progress, _note, chat=False) as library:
        papers = library.papers()
        to_share = stop(library, question, papers, Limits(recall=SHARE))
        by_default = stop(library, question, papers, Limits())
        ours = reading_curve(library, question, papers)
    curves = [simulated(program, papers, question, seed) for seed in range(1, seeds + 1)]
    needed = median(papers_for(curve, SHARE) for curve in curves)
    theirs = np.median(np.stack(curves), axis=0)
    read = int(to_share["read"])
    return {
        "review": question.id,
        "papers": len(papers),
        "relevant": len(question.relevant),
        "asreview_95": needed,
        "ours_95": papers_for(ours, SHARE),
        **{f"stop_{name}": value for name, value in to_share.items()},
        "read_ratio": round(read / needed, 3),
        "asreview_recall_there": round(float(theirs[read - 1]), 3),
        **{f"default_{name}": value for name, value in by_default.items()},
        "asreview_recall_at_default": round(float(theirs[int(by_default["read"]) - 1]), 3),
    }


def stop(library: Library, question: Question, papers: Sequence[Paper], limits: Limits) -> Figures:
    """Return recall, papers read and estimate where our reading stops."""
    judge = GoldJudge(question)
    answer = run(library.judged_by(judge, question.question, limits)).answer
    truth, coverage = judge.count(papers), answer.coverage
    estimate = coverage.estimate
    assert estimate is not None
    return {
        "recall": round(coverage.relevant / truth, 3),
        "read": coverage.read,
        "expected_recall": estimate.recall,
        "interval": [estimate.low, estimate.high],
        "held": float(estimate.low <= truth <= estimate.high),
    }


def reading_curve(library: Library, question: Question, papers: Sequence[Paper]) -> Curve:
    """Return the recall after each paper, read to the end in our order."""
    relevant = {p.id for p in papers if title_key(p.title) in question.relevant}
    order: list[str] = []

    def note(event: object) -> None:
        if isinstance(event, RoundRead):
            order.extend(paper.id for paper in event.papers)

    run(library.judged_by(GoldJudge(question), question.question, Limits(recall=1.0), note))
    return np.asarray(np.cumsum([paper in relevant for paper in order]) / len(relevant))


def simulated(program: Path, papers: Sequence[Paper], question: Question, seed: int) -> Curve:
    """Return the recall after each paper that ASReview's simulation labels."""
    with tempfile.TemporaryDirectory() as name:
        data, project = Path(name) / "papers.csv", Path(name) / "project.asreview"
        with data.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["title", "abstract", "label_included"])
            for paper in papers:
                label = int(title_key(paper.title) in question.relevant)
                rows.writerow([paper.title, paper.abstract, label])
        priors = ["--n-prior-included", "1", "--n-prior-excluded", "1", "--prior-seed", str(seed)]
        ends = ["--n-query", "10", "--n-stop", "-1", "--seed", str(seed), "-o", str(project)]
        command = [str(program.absolute()), "simulate", str(data), *priors, *ends]
        # It leaves a cache in the folder that it runs in.
        subprocess.run(command, check=True, capture_output=True, cwd=name)
        with zipfile.ZipFile(project) as archive:
            results = next(n for n in archive.namelist() if n.endswith("results.db"))
            archive.extract(results, name)
        with closing(sqlite3.connect(Path(name) / results)) as db:
            labels = [label for (label,) in db.execute("SELECT label FROM results")]
    return np.asarray(np.cumsum(labels) / sum(labels))


def papers_for(curve: Curve, share: float) -> int:
    """Return how many papers are read until this share of the relevant ones is found."""
    return int(np.argmax(curve >= share - 1e-9)) + 1 if curve[-1] >= share - 1e-9 else len(curve)


def prepared_environment(folder: Path) -> Path:
    """Return the `asreview` command of the environment in a folder, made if it is not there."""
    program = folder / "bin" / "asreview"
    if not program.exists():
        print(f"Making ASReview's environment in {folder} …", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True, symlinks=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", PACKAGE]
        subprocess.run(install, check=True, stdout=sys.stderr)
    return program


def _means(rows: Sequence[Figures]) -> dict[str, float]:
    numeric = [name for name, value in rows[0].items() if isinstance(value, int | float)]
    return {name: round(fmean(float(row[name]) for row in rows), 3) for name in numeric}


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    cache = platformdirs.user_cache_path(APP) / "benchmarks"
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--venv", type=Path, default=cache / "asreview-venv")
    parser.add_argument("--store", type=Path, default=cache / "screening-stores")
    parser.add_argument("--seeds", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
