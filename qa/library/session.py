"""The library that all requests share: opened at the first one, and again after a rebuild."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from qa.config import Config
from qa.errors import ChatError, StoreError
from qa.index.layout import StoreLayout
from qa.library.chat_model import model_of, model_or_failure
from qa.library.library import Library
from qa.library.opening import open_library
from qa.library.waiting import in_daemon_thread, in_thread
from qa.llm.llama_cpp.chat import LocalModel
from qa.progress import Progress

T = TypeVar("T")


class Listener(Protocol):
    """A request that waits for the library to open."""

    def on_progress(self, progress: Progress) -> None:
        """Take how far the building of the store has come."""

    def on_notice(self, text: str) -> None:
        """Take a line that the user should know."""


@dataclass
class _OpenLibrary:
    """An open library, and how many requests are using it."""

    library: Library
    generation: str  # the name of the store's generation that is open
    with_model: Library | None = None  # the same with the chat model, once that is known
    requests: int = 0
    replaced: bool = False  # a library of a newer generation has taken its place

    def close_if_unused(self) -> None:
        if self.replaced and not self.requests:
            self.close()

    def close(self) -> None:
        (self.with_model or self.library).close()


class Session:
    """One library for all requests. Its store is opened, and built first, by one thread.

    When a rebuild has published another generation of the store, the next request opens that one.
    The old one is closed at the end of the last request that uses it.
    """

    def __init__(self, config: Config, on_notice: Callable[[str], None]) -> None:
        """`on_notice` gets the lines that a user at the server should see."""
        self.config = config
        self._on_notice = on_notice
        self._layout = StoreLayout.of(config.store, config.corpus)
        self._current: _OpenLibrary | None = None
        self._opening: asyncio.Task[_OpenLibrary] | None = None
        self._listeners: list[Listener] = []

    @property
    def is_built(self) -> bool:
        """Whether there is a store, so that the next request need not wait for its building."""
        return self._live_generation() is not None

    @property
    def is_opening(self) -> bool:
        """Whether a thread is opening, and perhaps building, the store right now."""
        return self._opening is not None

    @asynccontextmanager
    async def library(
        self, listener: Listener | None = None, *, chat: bool = False
    ) -> AsyncIterator[Library]:
        """Lend the library to one request; with `chat` it knows its chat model, if there is one.

        Raises QAError if it cannot be opened.
        """
        current = self._current
        if current is None or current.generation != self._live_generation():
            opened = await self._opened(listener)
            current = self._current or opened  # by now another one may have taken its place
        current.requests += 1
        try:
            yield await self._with_model(current) if chat else current.library
        finally:
            current.requests -= 1
            current.close_if_unused()

    async def model(self) -> str | None:
        """Return the chat model's name; None if there is none. Raises QAError."""
        if self._current is not None and self._current.with_model is not None:
            return self._current.with_model.model
        model = await in_thread(lambda: model_of(self.config))
        return model.name if isinstance(model, LocalModel) else model

    def close(self) -> None:
        """Close the library, unless a request is using it: the end of the program closes that."""
        if self._current is not None and not self._current.requests:
            self._current.close()
            self._current = None

    async def _with_model(self, current: _OpenLibrary) -> Library:
        """Return the library that knows its chat model.

        A server may have to be asked for the model's name. A search does not wait for that, and
        does not fail where the server is down.
        """
        if current.with_model is None:
            model = await in_thread(lambda: model_or_failure(self.config))
            if model is None:
                return current.library
            if isinstance(model, ChatError):  # the next question asks the server again
                opened = current.library
                return Library(opened.config, opened.generation, opened.embedder, model)
            if current.with_model is None:  # else another question was faster
                opened = current.library
                current.with_model = Library(
                    opened.config, opened.generation, opened.embedder, model
                )
        return current.with_model

    async def _opened(self, listener: Listener | None) -> _OpenLibrary:
        """Open the live generation, or wait until that is done for another request."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(_retrieve_error)  # even if every request has given up
        with self._listening(listener):
            return await asyncio.shield(self._opening)  # a request that gives up stops no other's

    async def _open(self) -> _OpenLibrary:
        loop = asyncio.get_running_loop()

        def on_progress(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._spread_progress, progress)

        def on_notice(text: str) -> None:
            loop.call_soon_threadsafe(self._spread_notice, text)

        try:
            library = await in_daemon_thread(
                lambda: open_library(self.config, on_progress, on_notice, chat=False)
            )
            old, self._current = (
                self._current,
                _OpenLibrary(library, library.generation.folder.name),
            )
            if old is not None:
                old.replaced = True
                old.close_if_unused()
            return self._current
        finally:
            self._opening = None

    def _spread_progress(self, progress: Progress) -> None:
        for listener in self._listeners:
            listener.on_progress(progress)

    def _spread_notice(self, text: str) -> None:
        self._on_notice(text)
        for listener in self._listeners:
            listener.on_notice(text)

    @contextmanager
    def _listening(self, listener: Listener | None) -> Iterator[None]:
        if listener is None:
            yield
            return
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def _live_generation(self) -> str | None:
        """Return the name of the live generation, which is in one small file; None without one."""
        with suppress(StoreError, OSError):
            return self._layout.live()
        return None


def _retrieve_error(opening: asyncio.Task[_OpenLibrary]) -> None:
    """Take the task's error, which asyncio would log as never retrieved."""
    if not opening.cancelled():
        opening.exception()
