"""How fast a table is filled, against the time that the calls alone take.

    python benchmarks/table_speed.py

A server on loopback answers each call after 0.2 s. With 8 calls at a time, 200 papers take at
least 200 / 8 * 0.2 = 5 s. Printed are the time that filling took as a multiple of that, and the
peak memory of the process after 50 and after 200 papers.
"""

import json
import re
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from chat_server import ChatServer  # type: ignore[import-not-found]

from qa import fill_table
from qa.answering.judge import PARALLEL
from qa.config import configured
from qa.library.opening import open_library

WAIT = 0.2  # seconds that the server takes for a call
COLUMNS = ("Method", "Data set", "Size", "Result", "Code: is the code released?")


def first_words(body: dict[str, object]) -> str:
    """Fill each column with the first words of the first sentence, after a while."""
    time.sleep(WAIT)
    prompt = body["messages"][-1]["content"]  # type: ignore[index]
    words = re.search(r"^\(1\) (\w+)", prompt, re.MULTILINE)
    keys = re.findall(r"^\[(C\d+)\]", prompt, re.MULTILINE)
    said = {"sentence": 1, "words": words[1] if words else "", "answer": "yes"}
    return json.dumps({"cells": [{"key": key, **said} for key in keys]})


def main() -> None:
    """Fill a table of 50 papers and one of 200, and print what it took."""
    with tempfile.TemporaryDirectory() as folder, ChatServer(model=first_words) as server:
        config = replace(
            configured(trust_judge=True),  # the server answers by a rule and would fail the test
            cache=Path(folder),
            model="scripted",
            base_url=server.url,
            api_key="k",
        )
        with open_library(replace(config, cache=configured().cache)) as library:
            ids = [paper.id for paper in library.papers()]
            fill_table(
                library, None, COLUMNS, papers=ids[:1], cached=False
            )  # imports what it needs
            for count in (50, 200):
                began = time.perf_counter()
                table = fill_table(library, None, COLUMNS, papers=ids[:count], cached=False)
                seconds = time.perf_counter() - began
                alone = -(-count // PARALLEL) * WAIT
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"{count} papers, {len(table.rows) * len(COLUMNS)} cells: {seconds:.2f} s, "
                    f"{seconds / alone:.2f} x the calls alone; peak memory {memory:.0f} MB"
                )


if __name__ == "__main__":
    main()
