"""The user's own names for columns, as a corpus's last rebuild was given them."""

from pathlib import Path

from qa.errors import StoreError
from qa.index.layout import Layout
from qa.index.manifest import Manifest


def known_columns(store: Path, corpus: Path) -> dict[str, str]:
    """Return by field the names that the live generation was read with; none without one."""
    layout = Layout.of(store, corpus)
    try:
        name = layout.live()
        return dict(Manifest.read(layout.generation(name)).columns) if name else {}
    except (StoreError, OSError):
        return {}  # opening the store says what is wrong with it
