"""Times this program: rebuilding, rebuilding with nothing new, and questions cold and warm.

Every figure but the warm ones is of a new process, start included, without a chat model. The last
line is one JSON object.

    python benchmarks/speed.py [--corpus PATH] [--papers N] [--store FOLDER] [--repeats N]
"""

import argparse
import json
import lzma
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path
from statistics import median

from measurement import Measurement, measure
from our_program import QUESTIONS, OurProgram, read_papers, write_jsonl

from qa.config import bundled

ROUNDS = 8  # a question with many papers is read for about this long

Rows = list[tuple[str, float, str]]  # what, how much, unit


def main() -> None:
    """Measure, print the table, and the figures as one JSON object."""
    given = _arguments()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        corpus = given.corpus
        if given.papers is not None:
            corpus = first_papers(corpus, given.papers, scratch / "corpus.jsonl")
        warm_up(corpus, scratch)
        program = OurProgram(corpus, given.store or scratch / "store")
        rows = rebuilding(program, given.repeats) + asking(program, given.repeats)
    rows.append(("load before", load, "processes"))
    width = max(len(what) for what, _, _ in rows)
    for what, amount, unit in rows:
        print(f"{what:<{width}}  {amount:>10,.2f} {unit}")
    print(json.dumps({_key(what, unit): round(amount, 3) for what, amount, unit in rows}))


def warm_up(corpus: Path, scratch: Path) -> None:
    """Have bytecode compiled and weights converted, with a store of a few papers."""
    few = write_jsonl(read_papers(corpus, at_most=8), scratch / "few.jsonl")
    program = OurProgram(few, scratch / "warm-up")
    program.rebuild()
    program.ask(QUESTIONS[0])


def rebuilding(program: OurProgram, repeats: int) -> Rows:
    """Measure a build (once: it may take long), and rebuilds that find nothing to do."""
    built = program.rebuild()
    unchanged = [program.rebuild() for _ in range(repeats)]
    papers = program.corpus_size()
    return [
        ("papers", papers, "papers"),
        *_costs("rebuild", [built]),
        ("rebuild rate", papers / built.seconds, "papers/s"),
        *_costs("unchanged rebuild", unchanged),
    ]


def asking(program: OurProgram, repeats: int) -> Rows:
    """Measure questions in new processes, and rankings in one process that stays."""
    cold = [program.ask(QUESTIONS[turn % len(QUESTIONS)]) for turn in range(repeats)]
    script = str(Path(__file__).with_name("ranker.py"))
    # the first question pays for what is loaded on first use, and is not counted as warm
    told = [str(program.corpus), str(program.store), str(ROUNDS), QUESTIONS[0], *QUESTIONS]
    ranker = measure([sys.executable, script, *told], program.environment())
    times = json.loads(ranker.output)
    asked = times["rounds_ms"][1:]
    later = [ms for question in asked for ms in question[1:]]
    return [
        *_costs("cold question", cold),
        ("opening the store", times["open_ms"], "ms"),
        ("warm first ranking", median(question[0] for question in asked), "ms"),
        ("warm further ranking", median(later), "ms"),
        ("slowest warm ranking", max(max(question) for question in asked), "ms"),
        ("warm process peak", ranker.peak_mib, "MiB"),
    ]


def first_papers(corpus: Path, count: int, target: Path) -> Path:
    """Cut a JSON-lines corpus, plain or .xz, to its first lines."""
    opener = lzma.open if corpus.suffix == ".xz" else open
    with opener(corpus, "rt", encoding="utf-8") as lines:
        target.write_text("".join(islice(lines, count)), encoding="utf-8")
    return target


def _costs(what: str, runs: list[Measurement]) -> Rows:
    return [
        (what, median(run.seconds for run in runs), "s"),
        (f"{what} CPU", median(run.cpu_seconds for run in runs), "s"),
        (f"{what} peak", max(run.peak_mib for run in runs), "MiB"),
    ]


def _key(what: str, unit: str) -> str:
    suffix = {"s": "_s", "ms": "_ms", "MiB": "_mib", "papers/s": "_per_s"}.get(unit, "")
    return what.lower().replace(" ", "_") + suffix


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=Path, default=bundled("seeds"))
    parser.add_argument("--papers", type=int, help="only the first N lines of a JSON-lines corpus")
    parser.add_argument(
        "--store",
        type=Path,
        help="a folder to keep the store in (then its state"
        " decides what the first rebuild has to do); default: a temporary one",
    )
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
