"""What damaged files do to a store: a byte flipped or the file cut in half, one case at a time.

    python benchmarks/damage.py seeds "which papers train without backprop?"

Each case damages one file of a sound store, asks, looks at the status, rebuilds and asks again. It
is good if no command crashes, no answer with exit code 0 or 3 is another one, a refusal is one line
that names the command to use, and after that command the answer is the first one.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CRASHES = ("Traceback (most recent call last)", "panicked at")
ANSWERS = {0, 3}  # exit codes


@dataclass(frozen=True, slots=True)
class Run:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def crashed(self) -> bool:
        """Whether it ended by a signal, or with what only a programmer can read."""
        return self.code < 0 or any(word in self.err for word in CRASHES)


@dataclass(frozen=True, slots=True)
class Store:
    """A store that commands are run on."""

    folder: Path  # for QA_STORE
    corpus: Path
    question: str

    def ask(self) -> Run:
        """Ask the question."""
        return self._run("ask", self.question, "--corpus", str(self.corpus))

    def status(self) -> Run:
        """Ask for the state of the store."""
        return self._run("status", "--corpus", str(self.corpus))

    def rebuild(self) -> Run:
        """Bring the store up to date."""
        return self._run("rebuild", str(self.corpus))

    def _run(self, *words: str) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "qa", *words],
            env=os.environ | {"QA_STORE": str(self.folder), "QA_MODEL": "none"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def files(self) -> list[Path]:
        """Return every file that is not empty: the store's own, and its generation's."""
        return [p for p in sorted(self.folder.rglob("*")) if p.is_file() and p.stat().st_size]


def places(path: Path, flips: int) -> dict[str, int]:
    """Return where bytes are flipped: near the ends, in the middle, and at random."""
    size = path.stat().st_size
    chance = random.Random(path.name)
    fixed = {"start": min(20, size - 1), "middle": size // 2, "end": max(0, size - 20)}
    return fixed | {f"random {n + 1}": chance.randrange(size) for n in range(flips)}


def damage(path: Path, place: int | None) -> None:
    """Flip bits of the byte at a place, or cut the file in half."""
    if place is None:
        os.truncate(path, path.stat().st_size // 2)
        return
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 0x55]))


def faults(store: Store, answer: Run) -> Iterator[str]:
    """Run the commands on a damaged store, and yield what is wrong."""
    run = store.ask()
    if run.crashed:
        yield "ask crashes"
    elif run.code in ANSWERS and run.out != answer.out:
        yield "ask answers differently"
    elif run.code not in ANSWERS and ("qa rebuild" not in run.err or run.err.count("\n") != 1):
        yield f"ask names no way out: {run.err.strip()}"
    if store.status().crashed:
        yield "status crashes"
    rebuilt = store.rebuild()
    if rebuilt.crashed:
        yield "rebuild crashes"
    elif rebuilt.code:
        yield f"rebuild fails: {rebuilt.err.strip()}"
    after = store.ask()
    if (after.code, after.out) != (answer.code, answer.out):
        yield "rebuild does not mend"


def cases(store: Store, kinds: list[str], flips: int) -> Iterator[tuple[Path, str, int | None]]:
    """Yield each file with the name and the place of a damage."""
    for path in store.files():
        for name, place in [*places(path, flips).items(), ("cut in half", None)]:
            if name in (kinds or [name]):
                yield path, name, place


def main() -> None:
    """Damage every file in turn, and print what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("question")
    parser.add_argument("--flips", type=int, default=0, help="more flips, at random places")
    parser.add_argument("--kind", action="append", default=[], help="only this kind of damage")
    parser.add_argument("--file", action="append", default=[], help="only files of this name")
    parser.add_argument("--store", type=Path, help="a QA_STORE that holds the corpus's store")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, sound = Path(name, "store"), Path(name, "sound")
        store = Store(folder, options.corpus.resolve(), options.question)
        if options.store:
            _copy(options.store, folder)
        if store.rebuild().code:
            sys.exit(store.rebuild().err)
        answer = store.ask()
        _copy(folder, sound)
        bad = []
        chosen = [
            case
            for case in cases(store, options.kind, options.flips)
            if case[0].name in (options.file or [case[0].name])
        ]
        for path, kind, place in chosen:
            _copy(sound, folder)
            store.ask()  # a store in use
            damage(path, place)
            if path.name.startswith("embeddings"):  # read only where there is something to build
                (path.parent / "CURRENT").unlink()
            wrong = list(faults(store, answer))
            bad += [(path, kind)] if wrong else []
            print(f"{path.name:22} {kind:12} {'; '.join(wrong) or 'good'}", flush=True)
        print(f"{len(bad)} of {len(chosen)} bad")


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


if __name__ == "__main__":
    main()
