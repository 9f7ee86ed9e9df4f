"""The collections that a store has made on Chroma servers, so that none is left lying about."""

from contextlib import suppress

from qa.errors import StoreDamaged
from qa.index.layout import Layout, replace_file
from qa.index.server import ChromaServer, close_client

_KEEP = 2  # the live one, and the one before: another machine may still ask it


def note_collection(layout: Layout, name: str) -> None:
    """Write down a collection's name before it is made, as the latest."""
    names = [known for known in _noted(layout) if known != name]
    _write(layout, [*names, name])


def remove_old_collections(layout: Layout, server: ChromaServer) -> None:
    """Remove all but the last two from the server, unfinished ones among them."""
    names = _noted(layout)
    old, kept = names[:-_KEEP], names[-_KEEP:]
    if not old:
        return
    client = server.connect()
    try:
        for name in old:
            with suppress(StoreDamaged), server.faults():  # it is gone already
                client.delete_collection(name)
    finally:
        close_client(client)
    _write(layout, kept)


def _noted(layout: Layout) -> list[str]:
    try:
        return layout.collections.read_text("ascii").split()
    except FileNotFoundError:
        return []


def _write(layout: Layout, names: list[str]) -> None:
    replace_file(layout.collections, "".join(f"{name}\n" for name in names).encode("ascii"))
