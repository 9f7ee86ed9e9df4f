"""How the corpus stands: what it holds, and whether the store knows all of it."""

from qa.config import rebuild_command
from qa.corpus.filters import Filters
from qa.corpus.readers.corpus import Corpus
from qa.errors import QAError, StoreError
from qa.library import Library
from qa.mcp.apart import in_thread
from qa.mcp.results import StatusResult
from qa.mcp.shelf import Shelf
from qa.mcp.telling import Teller
from qa.rebuilding import corpus_of

NAMED = 20  # source files named
SOUND = "The store is complete and up to date."
CHANGED = "The corpus has changed since the store was built. Bring it up to date with: "
NONE_YET = "There is no store yet: the first question builds it, once, and reports progress."
OPENING = "The store is being opened or built right now."

_ANYTHING = Filters(years=((0, 9999),), authors=("",), venues=("",)).kinds()


async def standing(shelf: Shelf, teller: Teller) -> StatusResult:
    """The state of the corpus; builds nothing."""
    corpus = await in_thread(lambda: corpus_of(shelf.config))
    model, notes = await _model(shelf)
    result = StatusResult(
        corpus=str(shelf.config.corpus),
        ready=False,
        verdict=OPENING if shelf.is_opening else NONE_YET,
        files=len(corpus.files),
        sources=[file.name for file in corpus.files[:NAMED]],
        embedding=shelf.config.embed_model,
        model=model,
        notes=notes,
    )
    if shelf.is_opening or not shelf.is_built:
        return result
    try:
        async with shelf.library(teller) as library:
            found = await in_thread(lambda: _counted(library, corpus))
    except StoreError as exc:
        found = {"verdict": str(exc)}
    return result.model_copy(update=found)


async def _model(shelf: Shelf) -> tuple[str | None, list[str]]:
    try:
        return await shelf.model(), []
    except QAError as exc:
        return None, [str(exc)]


def _counted(library: Library, corpus: Corpus) -> dict[str, object]:
    store = library.generation
    counts = {kind: len(store.select(anything)) for kind, anything in _ANYTHING.items()}
    return {
        "ready": True,
        "verdict": CHANGED + rebuild_command(corpus.path)
        if store.corpus_changed(corpus)
        else SOUND,
        "papers": store.paper_count,
        "with_year": counts["year"],
        "with_authors": counts["author"],
        "with_venue": counts["venue"],
        "built": store.manifest.built_at,
    }
