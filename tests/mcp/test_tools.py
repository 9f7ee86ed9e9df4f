"""The MCP server's tools, called by the SDK's own client in this process."""

import asyncio
import json
import os
import re
from contextlib import suppress

import paths
import pytest
from chat_server import ChatServer
from mcp_clients import (
    BACKPROP,
    MODES,
    ONE_CALL,
    Halting,
    Heard,
    call,
    talk,
    text_of,
)
from scripted_model import LabelModel

from qa.config import configured
from qa.index.layout import StoreLayout
from qa.library.opening import open_library


@pytest.fixture
def chat(seeds):
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        seeds.setenv("QA_MODEL", "scripted")
        yield server


# ask without a chat model


def test_without_a_model_ask_gives_the_papers_that_the_scores_speak_for_and_some_more(seeds):
    result = call("ask", question=BACKPROP, max_papers=20).structured_content
    with open_library(configured(), chat=False) as library:
        answer = library.ask(BACKPROP)
    told = [paper["id"] for paper in result["papers"] if paper["match"] != "further"]
    assert result["outcome"] == "evidence"
    assert told == [paper.id for paper in answer.papers]
    assert len(result["papers"]) == 20
    assert [paper["n"] for paper in result["papers"]] == list(range(1, 21))
    assert len({paper["id"] for paper in result["papers"]}) == 20
    assert "model" not in result
    assert "answer" not in result


def test_evidence_is_word_for_word(seeds):
    async def conversation(client, _):
        asked = await client.call_tool("ask", {"question": BACKPROP})
        papers = asked.structured_content["papers"]
        ids = [paper["id"] for paper in papers]
        read = await client.call_tool("get_paper", {"ids": ids})
        return papers, read.structured_content["papers"]

    papers, records = talk(conversation)
    for paper, record in zip(papers, records, strict=True):
        assert paper["title"] == record["title"]
        assert paper["evidence"]
        for one in paper["evidence"]:
            place = record["sentences"][one["sentence"] - 1]
            assert record["abstract"][place["start"] : place["end"]] == one["text"]


def test_fewer_papers_than_match_are_counted(seeds):
    result = call("ask", question=BACKPROP, max_papers=3).structured_content
    assert [paper["n"] for paper in result["papers"]] == [1, 2, 3]
    assert result["left_out"] > 5
    assert any("max_papers" in hint for hint in result["next"])


def test_text_says_all_that_an_assistant_needs(seeds):
    result = call("ask", question=BACKPROP)
    text = text_of(result)
    for paper in result.structured_content["papers"]:
        assert f"[{paper['n']}] {paper['title']} (id {paper['id']}" in text
        assert paper["evidence"][0]["text"] in text
    assert "no model" in text.lower()
    assert len(text) < 12_000


def test_nothing_in_the_corpus_is_told_with_what_comes_closest(seeds):
    result = call("ask", question="how do you bake sourdough bread?").structured_content
    assert result["outcome"] == "not_in_corpus"
    assert result["papers"] == []
    assert 0 < len(result["nearest"]) <= 5
    assert result["next"]


def test_a_filter_that_no_paper_can_pass_is_explained(seeds):
    result = call("ask", question=BACKPROP, year=2023).structured_content
    assert result["outcome"] == "nothing_retrieved"
    assert result["coverage"]["candidates"] == 0
    assert result["notes"] == ["No paper of this corpus has a known year."]


def test_asking_within_an_earlier_result_keeps_to_its_papers(seeds):
    async def conversation(client, _):
        first = await client.call_tool("search_papers", {"query": "forward-forward", "limit": 4})
        ids = [paper["id"] for paper in first.structured_content["papers"]]
        again = await client.call_tool("ask", {"question": "layers trained apart", "among": ids})
        return ids, again.structured_content

    ids, result = talk(conversation)
    assert result["coverage"]["candidates"] == 4
    assert {paper["id"] for paper in [*result["papers"], *result["nearest"]]} <= set(ids)


@pytest.mark.parametrize("mode", MODES)
def test_ten_questions_at_once_get_the_answers_that_they_get_one_by_one(seeds, mode):
    questions = [
        *(BACKPROP, "how does layer collaboration work?", "who prunes networks?"),
        *("which papers use graphs?", "what is PEPITA?", "long-tailed recognition"),
        *("time series forecasting", "binary transformers", "which papers release code?"),
        "how do you bake sourdough bread?",
    ]

    async def conversation(client, _):
        at_once = [client.call_tool("ask", {"question": question}) for question in questions]
        together = await asyncio.gather(*at_once)
        apart = [await client.call_tool("ask", {"question": question}) for question in questions]
        return together, apart

    together, apart = talk(conversation, mode=mode)
    assert [r.structured_content for r in together] == [r.structured_content for r in apart]


# ask with a chat model


def test_with_a_model_ask_gives_the_checked_answer(chat):
    result = call("ask", question=BACKPROP).structured_content
    with open_library(configured()) as library:
        answer = library.ask(BACKPROP)
    assert result["outcome"] == "answered"
    assert result["model"] == "scripted"
    assert result["answer"] == answer.answer
    assert [p["id"] for p in result["papers"]] == [p.id for p in answer.papers]
    assert {p["match"] for p in result["papers"]} <= {"yes", "partly"}
    assert result["coverage"]["read"] == answer.coverage.read
    assert result["coverage"]["stopped"] == "dry"
    assert result["usage"]["calls"] > 0


def test_papers_that_the_answer_cites_are_listed_whatever_the_limit(chat):
    result = call("ask", question=BACKPROP, max_papers=1).structured_content
    cited = {int(n) for n in re.findall(r"\[(\d+)\]", result["answer"])}
    assert len(cited) > 5
    assert cited <= {paper["n"] for paper in result["papers"]}


@pytest.mark.parametrize("mode", MODES)
def test_progress_tells_how_far_reading_has_come(chat, mode):
    heard = Heard()

    async def conversation(client, _):
        return await client.call_tool("ask", {"question": BACKPROP}, progress_callback=heard)

    result = talk(conversation, mode=mode).structured_content
    assert heard.numbers == sorted(set(heard.numbers))
    read = result["coverage"]["read"]
    assert any(line.startswith(f"Read {read} of 558 papers: ") for line in heard.lines)
    assert heard.lines[-1] == "Writing the answer"


def test_evidence_only_asks_no_model(chat):
    assert call("ask", question=BACKPROP, evidence_only=True).structured_content["outcome"] == (
        "evidence"
    )
    assert chat.requests == []


@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_question_stops_asking_the_model(seeds, mode):
    model = Halting()

    async def conversation(client, session):
        asking = asyncio.create_task(client.call_tool("ask", ONE_CALL))
        await asyncio.to_thread(model.asked.wait, 30)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        while session._current.requests:
            await asyncio.sleep(0)
        model.go.set()
        return await client.call_tool("search_papers", {"query": "the server lives on"})

    with ChatServer(model=model) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        seeds.setenv("QA_MODEL", "scripted")
        found = talk(conversation, mode=mode)
        assert len(server.bodies) == 1  # the answer was never asked for
        assert not found.is_error


def test_without_its_chat_server_ask_gives_evidence_with_the_reason(seeds):
    with ChatServer() as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)

    async def conversation(client, _):
        failed = await client.call_tool("ask", {"question": BACKPROP})
        found = await client.call_tool("search_papers", {"query": BACKPROP})
        state = await client.call_tool("corpus_status", {})
        return failed, found, state

    failed, found, state = talk(conversation)
    assert not failed.is_error
    result = failed.structured_content
    assert result["outcome"] == "evidence"
    assert result["papers"]
    assert [warning["kind"] for warning in result["warnings"]] == ["model_failed"]
    assert result["warnings"][0]["detail"] in text_of(failed)
    assert found.structured_content["papers"]
    assert state.structured_content["notes"]


# The other tools


def test_a_search_ranks_as_the_command_does(seeds):
    result = call("search_papers", query="local learning rules", limit=7).structured_content
    with open_library(configured(), chat=False) as library:
        found = library.search("local learning rules", limit=7)
    assert [paper["id"] for paper in result["papers"]] == [paper.id for paper in found.papers]
    assert {paper["match"] for paper in result["papers"]} == {"ranked"}


def test_filters_narrow_a_search(environment):
    environment.setenv("QA_CORPUS", str(paths.CORPORA))
    result = call("search_papers", query="tides", year="2021-", author=["Okafor"])
    papers = result.structured_content["papers"]
    assert result.structured_content["filter"] == "year 2021-, author Okafor"
    assert [paper["title"] for paper in papers] == [
        "Tidal Prediction with König Filters and 5% Noise"
    ]
    assert papers[0]["year"] == 2021
    assert "Okafor" in papers[0]["authors"]


def test_papers_come_by_the_start_of_their_ids_and_unknown_ids_are_told(seeds):
    async def conversation(client, _):
        found = await client.call_tool("search_papers", {"query": BACKPROP, "limit": 2})
        ids = [paper["id"] for paper in found.structured_content["papers"]]
        arguments = {"ids": [ids[0], ids[1][:8], "nothing"]}
        return ids, await client.call_tool("get_paper", arguments)

    ids, result = talk(conversation)
    assert [paper["id"] for paper in result.structured_content["papers"]] == ids
    assert len(result.structured_content["missing"]) == 1
    assert "'nothing'" in text_of(result)


def test_status_tells_what_the_corpus_holds(seeds):
    status = call("corpus_status").structured_content
    assert status["ready"]
    assert status["papers"] == 558
    assert status["with_year"] == 0
    assert status["files"] == 5
    assert "up to date" in status["verdict"]


def test_status_builds_nothing(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))
    status = call("corpus_status").structured_content
    assert not status["ready"]
    assert not StoreLayout.of(configured().store, small_corpus).current.exists()


MISTAKES = [
    ("ask", {}, "question"),
    ("ask", {"question": " \n "}, "empty"),
    ("ask", {"question": "x" * 3000}, "2000"),
    ("ask", {"question": "x", "years": "2023"}, "no argument 'years'"),
    ("ask", {"question": "x", "year": "soon"}, "year is 'soon'"),
    ("ask", {"question": "x", "author": ""}, "author is empty"),
    ("ask", {"question": "x", "quick": True, "exhaustive": True}, "exclude"),
    ("ask", {"question": "x", "max_papers": 0}, "max_papers"),
    ("ask", {"question": "x", "read_at_most": "many"}, "read_at_most"),
    ("search_papers", {"query": ["a"]}, "query"),
    ("search_papers", {"query": "x", "limit": 10_000}, "limit"),
    ("get_paper", {"ids": []}, "ids"),
    ("get_paper", {"ids": ["zz"]}, "'zz'"),
    ("get_paper", {"ids": [""]}, "''"),
    ("paint", {"question": "x"}, "paint"),
]


@pytest.mark.parametrize(("name", "arguments", "told"), MISTAKES)
def test_a_mistake_comes_back_as_an_error_in_a_line(seeds, name, arguments, told):
    async def conversation(client, _):
        failed = await client.call_tool(name, arguments)
        fine = await client.call_tool("search_papers", {"query": "still there?"})
        return failed, fine

    failed, fine = talk(conversation)
    assert failed.is_error
    assert told in text_of(failed)
    assert len(text_of(failed).splitlines()) == 1
    assert not fine.is_error


def test_a_missing_corpus_is_told_and_may_come_later(environment, small_corpus, tmp_path):
    corpus = tmp_path / "later"
    environment.setenv("QA_CORPUS", str(corpus))

    async def conversation(client, _):
        before = await client.call_tool("search_papers", {"query": "tomatoes"})
        small_corpus.rename(corpus)
        return before, await client.call_tool("search_papers", {"query": "tomatoes"})

    before, after = talk(conversation)
    assert before.is_error
    assert "There is no corpus" in text_of(before)
    assert "Tomatoes" in after.structured_content["papers"][0]["title"]


def test_half_a_character_in_a_file_name_does_no_harm(environment, small_corpus):
    page = small_corpus / "page.txt"
    try:
        page.rename(small_corpus / os.fsdecode(b"page-\xff.txt"))
    except OSError:
        pytest.skip("this file system has no such names")
    environment.setenv("QA_CORPUS", str(small_corpus))

    async def conversation(client, _):
        found = await client.call_tool("search_papers", {"query": "tomatoes"})
        first = found.structured_content["papers"][0]["id"]
        return await client.call_tool("get_paper", {"ids": [first]})

    result = talk(conversation, mode="legacy")
    assert "page-" in result.structured_content["papers"][0]["sources"][0]
    json.dumps(result.structured_content).encode()
    text_of(result).encode()
