"""The library that the MCP server's requests share: opened once, and again after a rebuild."""

import asyncio
import subprocess
import sys
from contextlib import suppress

from mcp_clients import (
    Heard,
    talk,
    text_of,
)

from qa.config import configured
from qa.index.layout import StoreLayout
from qa.index.locks import withdraw_lease, writer_lock
from qa.library.opening import open_library


def test_the_store_is_built_at_first_use_once_for_all_who_wait(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))
    first, second = Heard(), Heard()

    async def conversation(client, _):
        search = {"query": "tomatoes"}
        return await asyncio.gather(
            client.call_tool("search_papers", search, progress_callback=first),
            client.call_tool("search_papers", search, progress_callback=second),
        )

    results = talk(conversation)
    for heard, result in zip((first, second), results, strict=True):
        assert any("Embedding" in line for line in heard.lines)
        assert heard.numbers == sorted(set(heard.numbers))
        notes = result.structured_content["notes"]
        assert sum(note.startswith("Vector store: 3 papers (3 new") for note in notes) == 1
    generations = list(StoreLayout.of(configured().store, small_corpus).generations())
    assert len(generations) == 1


def test_a_store_that_cannot_be_used_is_told_by_every_tool(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))
    layout = StoreLayout.of(configured().store, small_corpus)

    async def conversation(client, _):
        await client.call_tool("search_papers", {"query": "tomatoes"})
        layout.current.write_text("g-00000000\n", encoding="utf-8")
        failed = await client.call_tool("search_papers", {"query": "tomatoes"})
        return failed, await client.call_tool("corpus_status", {})

    failed, status = talk(conversation)
    assert failed.is_error
    assert "qa rebuild" in text_of(failed)
    assert status.structured_content["verdict"] == text_of(failed)
    assert not status.structured_content["ready"]


def test_while_a_store_is_built_others_are_answered_and_may_give_up(environment, small_corpus):
    heard = Heard()
    environment.setenv("QA_CORPUS", str(small_corpus))
    layout = StoreLayout.of(configured().store, small_corpus)

    async def conversation(client, _):
        search = {"query": "tomatoes"}
        with writer_lock(layout, wait=0, waiting=None):
            told = client.call_tool("search_papers", search, progress_callback=heard)
            waits = asyncio.create_task(told)
            gives_up = asyncio.create_task(client.call_tool("search_papers", search))
            while not any("Waiting for" in line for line in heard.lines):
                await asyncio.sleep(0)
            status = await client.call_tool("corpus_status", {})
            gives_up.cancel()
            with suppress(asyncio.CancelledError):
                await gives_up
        return status, await waits

    status, found = talk(conversation)
    assert not status.structured_content["ready"]
    assert "right now" in status.structured_content["verdict"]
    assert "Tomatoes" in found.structured_content["papers"][0]["title"]


def add_paper(corpus):
    text = (corpus / "page.txt").read_text(encoding="utf-8")
    abstract = "We measured how garden snails choose lettuce. Snails preferred old leaves."
    more = "\n".join(["", "Snails and Lettuce in Spring", abstract * 3])
    (corpus / "page.txt").write_text(text + more, encoding="utf-8")


def test_a_rebuild_by_another_process_is_taken_up_by_the_next_call(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))

    async def conversation(client, session):
        before = await client.call_tool("search_papers", {"query": "snails"})
        old = session._current.library.generation.folder
        add_paper(small_corpus)
        changed = await client.call_tool("corpus_status", {})
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "qa", "rebuild"], check=True, capture_output=True
        )
        after = await client.call_tool("search_papers", {"query": "snails"})
        return before, changed, after, old

    before, changed, after, old = talk(conversation)
    assert before.structured_content["corpus"] == 3
    assert "has changed" in changed.structured_content["verdict"]
    assert after.structured_content["corpus"] == 4
    assert after.structured_content["papers"][0]["title"] == "Snails and Lettuce in Spring"
    assert withdraw_lease(old)  # nobody holds the old one open any more


def test_a_request_keeps_its_library_until_it_is_over(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))

    async def conversation(_, session):
        async with session.library() as old:
            add_paper(small_corpus)
            with open_library(configured(), chat=False, refresh=True):
                pass
            async with session.library() as new:
                assert new is not old
                return len(old.papers()), len(new.papers())

    assert talk(conversation) == (3, 4)
