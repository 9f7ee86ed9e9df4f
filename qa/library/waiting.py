"""Run asynchronous work to its end, and blocking work beside a running event loop."""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_ending: set[asyncio.Task[Any]] = set()  # the event loop itself keeps only weak references
POLL = 0.1  # seconds between looks at whether the caller was cancelled


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return the work's result, done in an event loop of its own, even where another one runs.

    Ctrl-C cancels the work.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    begun: Future[Callable[[], object]] = Future()

    async def cancellable() -> T:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        begun.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        return await task

    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(copy_context().run, asyncio.run, cancellable())
        caller = asyncio.current_task()
        try:
            while not wait([result], POLL).done:
                if caller is not None and caller.cancelling():
                    raise asyncio.CancelledError  # this is how asyncio.run passes Ctrl-C on
            return result.result()
        finally:
            if not result.done():
                begun.result()()


def blocking(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Return the coroutine function as one that waits; it may be called in a running loop too."""

    @functools.wraps(work)
    def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(work(*args, **kwargs))

    waiting.__name__ = work.__name__.removeprefix("a")
    return waiting


def threaded(work: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the function as a coroutine function that works beside the running event loop."""

    @functools.wraps(work)
    async def beside(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(work, *args, **kwargs)

    beside.__name__ = f"a{work.__name__}"
    return beside


async def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of the work; when cancelled, cancel the work once and let it clean up.

    The MCP package cancels again at every await, which would interrupt the cleaning up.
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
    """Return the result of the work, done in a thread; when cancelled, wait for the thread to end.

    After that, what the thread was using may be closed.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        with suppress(Exception):
            await thread
        raise


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """Return the result of the work, done in a thread that does not keep the program alive."""
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
        except BaseException as exc:  # noqa: BLE001 - raised where the work is awaited
            error = exc
        with suppress(RuntimeError):  # the loop has ended: nothing waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await done
