"""`PaperQueryEngine`: its answers, whole and streamed, and as the tool of an agent."""

import asyncio
import json
import threading

import pytest
from chat_server import Status
from llama_index.core import Settings
from llama_index.core.agent import FunctionAgent
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import QueryEngineTool
from scripted_model import LabelModel

import qa
from qa.llama_index.query_engine import PaperQueryEngine
from qa.llama_index.retriever import PaperRetriever

BACKPROP = "which papers train without backprop?"
BREAD = "how is sourdough bread fermented?"


def titles(nodes):
    return [node.metadata["title"] for node in nodes]


def test_an_answer_without_a_model_is_the_papers_with_their_sentences(small):
    response = PaperQueryEngine(small).query(BREAD)
    assert str(response).startswith("[1] Sourdough Fermentation at Low Temperature: “")
    assert str(response).endswith("No chat model has read them.")
    assert titles(response.source_nodes)[0] == "Sourdough Fermentation at Low Temperature"


def test_source_nodes_are_in_the_order_of_the_citations(judged):
    response = PaperQueryEngine(judged).query(BACKPROP)
    text = str(response)
    assert text.startswith("These papers qualify:")
    for n, node in enumerate(response.source_nodes, start=1):
        assert f"- {node.metadata['title']} qualifies [{n}]." in text
        assert f"\n[{n}] {node.metadata['title']}" in text
    assert "19 answer, 6 in part; probably no more among the 485 unread (reading on" in text


def test_the_metadata_are_the_whole_answer(judged):
    response = PaperQueryEngine(judged).query(BACKPROP)
    told = json.loads(json.dumps(response.metadata))
    assert told["outcome"] == "answered"
    assert told["coverage"]["relevant"] == 19
    assert [paper["id"] for paper in told["papers"]] == [n.node_id for n in response.source_nodes]


def test_without_references_the_text_is_the_answer_alone(judged):
    response = PaperQueryEngine(judged, references=False).query(BACKPROP)
    assert str(response) == response.metadata["answer"]


def test_what_the_checks_found_is_told(server):
    server.model = lambda body: (
        LabelModel()(body) if "Judge these" in body["messages"][-1]["content"] else "It is [99]."
    )
    with qa.open_corpus() as library:
        text = str(PaperQueryEngine(library).query(BACKPROP))
    assert text.startswith("It is [99].")
    assert "\n\nWarning: " in text


def test_a_question_that_nothing_answers_has_no_sources(judged):
    response = PaperQueryEngine(judged).query("how are tulips sold in Delft?")
    assert str(response).startswith("The corpus does not say.\n\nNearest, but no answer: ")
    assert response.source_nodes == []
    assert response.metadata["outcome"] == "not_in_corpus"


def test_an_agents_tool_is_called_by_question(judged):
    tool = QueryEngineTool.from_defaults(PaperQueryEngine(judged), name="papers", description="p")
    assert tool.metadata.get_parameters_dict()["required"] == ["input"]
    said = tool(input=BACKPROP)
    later = asyncio.run(tool.acall(input=BACKPROP))
    assert said.content.startswith("These papers qualify:")
    assert later.raw_output.metadata["papers"] == said.raw_output.metadata["papers"]


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")  # its own code
def test_an_agent_answers_with_it(judged):
    def acts(messages, **_):
        told = [message for message in messages if message.role == MessageRole.TOOL]
        if told:
            return ChatMessage(role="assistant", content=told[-1].content)
        call = ToolCallBlock(tool_name="papers", tool_kwargs={"input": BACKPROP}, tool_call_id="1")
        return ChatMessage(role="assistant", blocks=[call])

    async def run():
        tool = QueryEngineTool.from_defaults(PaperQueryEngine(judged), name="papers")
        llm = MockFunctionCallingLLM(response_generator=acts, is_chat_model=True)
        memory = ChatMemoryBuffer.from_defaults(llm=llm)
        return await FunctionAgent(tools=[tool], llm=llm).run(BACKPROP, memory=memory)

    assert "19 answer, 6 in part" in str(asyncio.run(run()))


def test_llama_indexes_own_model_is_never_asked_for(judged, monkeypatch):
    def no_model(*_):
        raise AssertionError

    monkeypatch.setattr(type(Settings), "llm", property(no_model))
    monkeypatch.setattr(type(Settings), "embed_model", property(no_model))
    PaperRetriever(judged, read=True).retrieve(BACKPROP)
    assert PaperQueryEngine(judged).query(BACKPROP).source_nodes


def test_a_chat_model_that_cannot_be_asked_leaves_the_papers_by_score_and_the_reason(server):
    server.model = lambda _: Status(401, "no such key")
    with qa.open_corpus() as library:
        response = PaperQueryEngine(library).query(BACKPROP)
    assert response.source_nodes
    assert response.metadata["outcome"] == "nearest"
    assert [warning["kind"] for warning in response.metadata["warnings"]] == ["model_failed"]
    assert "OPENAI_API_KEY" in str(response)


def test_a_streamed_answer_is_the_answer(judged):
    whole = PaperQueryEngine(judged).query(BACKPROP)
    response = PaperQueryEngine(judged, streaming=True).query(BACKPROP)
    assert response.source_nodes == whole.source_nodes
    pieces = list(response.response_gen)
    assert len(pieces) > 50
    assert "".join(pieces).partition("Read ")[0] == str(whole).partition("Read ")[0]
    assert response.metadata["coverage"] == whole.metadata["coverage"]


def test_a_streamed_answer_comes_in_a_running_event_loop(judged):
    async def stream():
        response = await PaperQueryEngine(judged, streaming=True).aquery(BACKPROP)
        nodes = len(response.source_nodes)
        pieces = [piece async for piece in response.async_response_gen()]
        return nodes, pieces, response.metadata

    nodes, pieces, metadata = asyncio.run(stream())
    assert nodes == len(metadata["papers"]) > 19
    assert "".join(pieces).startswith(metadata["answer"])


def test_an_answer_without_a_model_streams_in_one_piece(small):
    engine = PaperQueryEngine(small, streaming=True)
    assert list(engine.query(BREAD).response_gen) == [str(PaperQueryEngine(small).query(BREAD))]


def test_leaving_a_streamed_answer_ends_its_making(judged):
    before = set(threading.enumerate())
    response = PaperQueryEngine(judged, streaming=True).query(BACKPROP)
    next(response.response_gen)
    working = set(threading.enumerate()) - before
    response.response_gen.close()
    for thread in working:
        thread.join(10)
    assert not any(thread.is_alive() for thread in working)
    assert response.metadata == {}
