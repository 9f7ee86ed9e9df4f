"""The shelf: the library that the tools use, opened when first needed and kept open."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from qa.config import Config
from qa.errors import StoreError
from qa.index.layout import StoreLayout
from qa.library import Library, model_of, open_library
from qa.llm.llama_cpp.chat import LocalModel
from qa.progress import Progress


class Listener(Protocol):
    """Who waits for the library to open."""

    def work(self, progress: Progress) -> None:
        """Hear how far the building of the store has come."""

    def note(self, text: str) -> None:
        """Hear what the user should know."""


class NoListener:
    """Waits for the library without a word to anybody."""

    def work(self, progress: Progress) -> None:
        """Let it pass."""

    def note(self, text: str) -> None:
        """Let it pass."""


@dataclass
class _Held:
    """An open library and how many requests are using it."""

    library: Library
    generation: str
    asking: Library | None = None  # the same with the chat model, once that is known
    users: int = 0
    retired: bool = False  # another generation has taken its place

    def close_if_done(self) -> None:
        if self.retired and not self.users:
            self.close()

    def close(self) -> None:
        (self.asking or self.library).close()


class Session:
    """Holds one library open for all requests; opened, and built, once, in a thread of its own.

    When a rebuild has published another generation, the next request opens that one; the old one
    is closed when the last request that uses it is over.
    """

    def __init__(self, config: Config, notice: Callable[[str], None]) -> None:
        """`notice` hears the lines that a user at the server should see."""
        self.config = config
        self._notice = notice
        self._layout = StoreLayout.of(config.store, config.corpus)
        self._held: _Held | None = None
        self._opening: asyncio.Task[_Held] | None = None
        self._hearers: list[Listener] = []

    @property
    def is_built(self) -> bool:
        """Whether the next request need not wait for the store to be built."""
        return self._live() is not None

    @property
    def is_opening(self) -> bool:
        """Whether a thread is opening, and perhaps building, the store right now."""
        return self._opening is not None

    @asynccontextmanager
    async def library(self, hearer: Listener, *, chat: bool = False) -> AsyncIterator[Library]:
        """The library, for the time of one request; with `chat` knowing its chat model, if any.

        Raises QAError if it cannot be opened.
        """
        held = self._held
        if held is None or held.generation != self._live():
            opened = await self._opened(hearer)
            held = self._held or opened  # by now another one may have taken its place
        held.users += 1
        try:
            yield await self._with_model(held) if chat else held.library
        finally:
            held.users -= 1
            held.close_if_done()

    async def model(self) -> str | None:
        """The chat model's name; None if there is none. Raises QAError."""
        if self._held is not None and self._held.asking is not None:
            return self._held.asking.model
        model = await in_thread(lambda: model_of(self.config))
        return model.name if isinstance(model, LocalModel) else model

    async def _with_model(self, held: _Held) -> Library:
        """The library that knows its chat model.

        A server may have to be asked for the name: no reason for searching to wait or to fail.
        """
        if held.asking is None:
            model = await in_thread(lambda: model_of(self.config))
            if model is None:
                return held.library
            if held.asking is None:  # else another question was faster
                opened = held.library
                held.asking = Library(opened.config, opened.generation, opened.embedder, model)
        return held.asking

    async def _opened(self, hearer: Listener) -> _Held:
        """Open the live generation, or wait until that is done for another request."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(_heard)  # even if every request has given up
        with self._heard_by(hearer):
            return await asyncio.shield(self._opening)  # a request that gives up stops no other's

    async def _open(self) -> _Held:
        loop = asyncio.get_running_loop()

        def listener(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._spread, progress)

        def notice(text: str) -> None:
            loop.call_soon_threadsafe(self._spread, text)

        try:
            library = await in_daemon_thread(
                lambda: open_library(self.config, listener, notice, chat=False)
            )
            old, self._held = self._held, _Held(library, library.generation.folder.name)
            if old is not None:
                old.retired = True
                old.close_if_done()
            return self._held
        finally:
            self._opening = None

    def _spread(self, news: Progress | str) -> None:
        if isinstance(news, str):
            self._notice(news)
        for hearer in self._hearers:
            if isinstance(news, str):
                hearer.note(news)
            else:
                hearer.work(news)

    @contextmanager
    def _heard_by(self, hearer: Listener) -> Iterator[None]:
        self._hearers.append(hearer)
        try:
            yield
        finally:
            self._hearers.remove(hearer)

    def _live(self) -> str | None:
        """The name of the live generation: one small file is read."""
        with suppress(StoreError, OSError):
            return self._layout.live()
        return None

    def close(self) -> None:
        """Close what is open, unless a request is using it: the end of the program closes that."""
        if self._held is not None and not self._held.users:
            self._held.close()
            self._held = None


def _heard(opening: asyncio.Task[_Held]) -> None:
    if not opening.cancelled():
        opening.exception()


T = TypeVar("T")

_ending: set[asyncio.Task[Any]] = set()  # an event loop alone would forget its tasks


async def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, which when cancelled is cancelled once and may then tidy up.

    The protocol's library cancels again at every await, so that tidying up would not get far.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        _ending.add(task)
        task.add_done_callback(_ending.discard)
        raise


async def in_thread(work: Callable[[], T]) -> T:
    """The result of the work, done in a thread, which is waited for even when nobody wants it.

    What the thread is using may be closed after that.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        with suppress(Exception):
            await thread
        raise


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """The result of the work, done in a thread that does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type] # without an error it is a T

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - whoever waits for the work hears of it
            error = exc
        with suppress(RuntimeError):  # the loop has ended: nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await done
