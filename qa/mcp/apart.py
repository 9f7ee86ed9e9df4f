"""Work done apart from the request that asked for it, so that giving up leaves no mess."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_ending: set[asyncio.Task[Any]] = set()  # an event loop alone would forget its tasks


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
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


async def beside(work: Callable[[], T]) -> T:
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
