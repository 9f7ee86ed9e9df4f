"""The vector store of the corpus that the settings name: opened, brought up to date, checked."""

from collections.abc import Callable, Mapping

from qa.config import Config
from qa.corpus.readers.corpus import read_corpus
from qa.index.build import BuildReport, build
from qa.index.chroma_server import ChromaServer
from qa.index.embedding import open_embedder
from qa.index.generation import Generation
from qa.index.integrity import StoreStatus, store_status
from qa.index.layout import StoreLayout
from qa.index.locks import LockHolder
from qa.index.manifest import known_columns
from qa.index.stores import remove_leftovers
from qa.progress import ProgressListener, ignore_progress

WAIT = 3600.0  # seconds for another process that is building the same store


def chroma_server(config: Config) -> ChromaServer | None:
    """Return the Chroma server that the settings name, None if vectors stay on this machine."""
    if config.chroma_url is None:
        return None
    return ChromaServer(
        config.chroma_url, config.chroma_token, config.chroma_tenant, config.chroma_database
    )


class CorpusStore:
    """A corpus, the embedding model for it, and where its vector store lies.

    Making one looks for the corpus's files and loads nothing. `columns` are the user's own names of
    a table's columns by field, added to those that earlier rebuilds were given; an empty name takes
    an earlier one back. Raises CorpusError.
    """

    def __init__(
        self,
        config: Config,
        *,
        columns: Mapping[str, str] | None = None,
        on_progress: ProgressListener = ignore_progress,
    ) -> None:
        self.config = config
        known = {**known_columns(config.store, config.corpus), **(columns or {})}
        named = {field: name for field, name in known.items() if name}
        self.corpus = read_corpus(config.corpus, named)
        self.embedder = open_embedder(
            config.embed_model,
            api_key=config.api_key,
            base_url=config.base_url,
            cache=config.cache,
            progress=on_progress,
        )
        self._on_progress = on_progress
        self._server = chroma_server(config)

    def open(self) -> Generation:
        """Open the store as it is; raises StoreError."""
        remove_leftovers(StoreLayout.of(self.config.store, self.config.corpus))
        return Generation.open(
            self.config.store,
            self.config.corpus,
            fingerprint=self.embedder.fingerprint,
            server=self._server,
        )

    def build(
        self, *, force: bool = False, on_wait: Callable[[LockHolder | None], None] | None = None
    ) -> BuildReport:
        """Bring the store up to date, with `force` all of it anew; see `qa.index.build.build`.

        `on_wait` is called once if another process is building the store, which is waited for.
        """
        return build(
            self.config.store,
            self.corpus,
            self.embedder,
            server=self._server,
            force=force,
            cached=not force,
            wait=WAIT,
            waiting=on_wait,
            progress=self._on_progress,
        )

    def status(self) -> StoreStatus:
        """Look into the store with these settings; never raises for its state."""
        return store_status(
            self.config.store,
            self.corpus,
            fingerprint=self.embedder.fingerprint,
            server=self._server,
        )
