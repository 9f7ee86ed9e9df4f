"""Write what the program prints today into README.md and docs/, and draw the README's picture.

    python docs/refresh.py

runs every command of the pages, in a folder of its own and without a chat model, and replaces each
`text` block behind `<!-- output: COMMAND -->`, and each one behind a Python block, with what was
printed. Blocks that differ only in times, dates and sizes stay as they are. The picture,
docs/ask.svg, shows a real run of `ask` in a terminal of 80 columns.

How the program runs here and in the tests: tests/support/documentation.py.
"""

import io
import os
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

DOCS = Path(__file__).parent
sys.path.append(str(DOCS.parent / "tests" / "support"))

from documentation import COLUMNS, PAGES, Desk, comparable, outputs  # noqa: E402

PICTURE = DOCS / "ask.svg"
PICTURED = 'ask "which papers combine neural networks with gradient boosting?"'


def draw(desk: Desk) -> str:
    """Run the pictured command and return its output as an SVG that loads nothing."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False
    )
    console.print(Text(f"$ {PICTURED}", style="bold green"), soft_wrap=True)
    console.print(Text.from_ansi(desk.coloured(PICTURED).rstrip()))
    svg = console.export_svg(title="ask-papers", theme=MONOKAI, unique_id="ask")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def refreshed(page: Path, desk: Desk) -> str:
    """Return the page with the outputs of today."""
    text = page.read_text(encoding="utf-8")
    for block, run in reversed(outputs(page, desk)):
        if run and comparable(run.output) != comparable(block.text):
            text = text[: block.start] + run.output.strip("\n") + "\n" + text[block.end :]
    return text


def main() -> None:
    """Refresh the pages and the picture, and name those that changed."""
    from qa.config import LOCAL_EMBEDDING, Config, bundled
    from qa.corpus.readers.corpus import read_corpus
    from qa.index.build import build
    from qa.index.embedding import open_embedder

    cache = Config.from_env(os.environ).cache
    with tempfile.TemporaryDirectory() as folder:
        embedder = open_embedder(LOCAL_EMBEDDING, api_key=None, base_url=None, cache=cache)
        build(Path(folder) / "store", read_corpus(bundled("seeds")), embedder)
        for number, page in enumerate((*PAGES, PICTURE)):
            place = Path(folder) / str(number)
            with Desk(place, store=Path(folder) / "store", weights=cache) as desk:
                new = draw(desk) if page == PICTURE else refreshed(page, desk)
            if not page.exists() or page.read_text(encoding="utf-8") != new:
                page.write_text(new, encoding="utf-8")
                print(f"{page.relative_to(DOCS.parent)} is refreshed.")


if __name__ == "__main__":
    main()
