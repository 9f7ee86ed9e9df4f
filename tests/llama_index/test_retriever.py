"""`PaperRetriever`: what it finds, what it reads, and how it fits into LlamaIndex's own parts."""

import asyncio

import pytest
from chat_server import Hang, Status
from llama_index.core.base.base_selector import BaseSelector, SelectorResult, SingleSelection
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.evaluation import RetrieverEvaluator
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever, RouterRetriever
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from scripted_model import LabelModel, labelled

import qa
from qa.corpus.papers import paper_id, title_key
from qa.errors import ConfigError, UsageError
from qa.llama_index.query_engine import PaperQueryEngine
from qa.llama_index.retriever import PaperRetriever

BACKPROP = "which papers train without backprop?"
BREAD = "how is sourdough bread fermented?"


def titles(nodes):
    return [node.metadata["title"] for node in nodes]


def test_scores_fall_from_1(library):
    scores = [
        node.score for node in PaperRetriever(library, similarity_top_k=50).retrieve(BACKPROP)
    ]
    assert len(scores) == 50
    assert scores[0] == 1
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_filters_keep_to_some_of_the_papers(seeds, qa):
    import qa as api

    with api.open_corpus("tests/fixtures/corpora", on_notice=print) as library:
        filters = api.Filters.parse(years=["2021-"])
        nodes = PaperRetriever(library, filters=filters).retrieve("what grows slowly?")
    assert {node.metadata["year"] >= 2021 for node in nodes} == {True}
    assert nodes[0].metadata["authors"] == ["Per Lindqvist Jr"]
    assert nodes[0].metadata["url"].startswith("http")


def test_asynchronous_retrieval_side_by_side_gives_the_same(library):
    questions = [BACKPROP, "how do diffusion models generate images?", "what is a graph network?"]
    retriever = PaperRetriever(library)
    one_by_one = [retriever.retrieve(question) for question in questions]

    async def all_at_once():
        return await asyncio.gather(*(retriever.aretrieve(question) for question in questions * 3))

    assert asyncio.run(all_at_once()) == one_by_one * 3


def test_a_question_bundle_is_a_question(small):
    retriever = PaperRetriever(small)
    assert retriever.retrieve(QueryBundle(BREAD)) == retriever.retrieve(BREAD)


def test_an_empty_question_is_refused(small):
    with pytest.raises(UsageError, match="empty"):
        PaperRetriever(small).retrieve(" ")
    with pytest.raises(UsageError, match="empty"):
        asyncio.run(PaperQueryEngine(small).aquery(""))


def test_settings_that_cannot_be_are_refused(small):
    with pytest.raises(UsageError, match="1 or more"):
        PaperRetriever(small, similarity_top_k=0)
    with pytest.raises(UsageError, match="'paper' or 'sentence'"):
        PaperRetriever(small, granularity="word")
    with pytest.raises(ConfigError, match="a chat model is needed"):
        PaperRetriever(small, read=True)


def test_a_folder_is_opened_in_one_line(environment, small_corpus):
    retriever = PaperRetriever.from_corpus(small_corpus, model="none", similarity_top_k=1)
    with retriever.library:
        assert titles(retriever.retrieve(BREAD)) == ["Sourdough Fermentation at Low Temperature"]
    engine = PaperQueryEngine.from_corpus(str(small_corpus), model="none")
    with engine.library:
        assert "Sourdough" in str(engine.query(BREAD))


def test_reading_gives_every_paper_that_qualifies_and_writes_nothing(judged, server):
    nodes = PaperRetriever(judged, read=True).retrieve(BACKPROP)
    labels = labelled()[BACKPROP]
    full = [n for n in nodes if n.metadata["relevance"] == "yes"]
    assert {title_key(t) for t in titles(full)} == {title_key(t) for t in labels["relevant"]}
    assert nodes[: len(full)] == full
    assert all("Judge these" in body["messages"][-1]["content"] for body in server.bodies)


def test_read_sentences_are_those_that_the_chat_model_pointed_at(judged):
    retriever = PaperRetriever(judged, read=True, granularity="sentence")
    nodes = retriever.retrieve(BACKPROP)
    assert len(nodes) == 25
    assert {node.metadata["sentence"] for node in nodes} == {1}


def test_reading_works_where_an_event_loop_runs(judged):
    retriever = PaperRetriever(judged, read=True, limits=qa.Limits(quick=True))

    async def both():
        return retriever.retrieve(BACKPROP), await retriever.aretrieve(BACKPROP)

    first, second = asyncio.run(both())
    assert titles(first) == titles(second) != []


@pytest.mark.parametrize("streaming", [None, False, True])
def test_what_is_cancelled_asks_the_chat_model_no_more(judged, server, streaming):
    async def leave():
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def model(_):
            loop.call_soon_threadsafe(asked.set)
            return Hang()

        server.model = model
        if streaming is None:
            work = PaperRetriever(judged, read=True).aretrieve(BACKPROP)
        else:
            work = PaperQueryEngine(judged, streaming=streaming).aquery(BACKPROP)
        task = asyncio.create_task(work)
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert len(server.bodies) <= 2  # calls of the first round, side by side


def test_reading_that_ends_early_is_logged(judged, server, caplog):
    judging, broken = LabelModel(), Status(400, "out of order")
    server.model = lambda body: judging(body) if len(server.bodies) < 8 else broken
    nodes = PaperRetriever(judged, read=True).retrieve(BACKPROP)
    assert 0 < len(nodes) < 25
    assert "Reading stopped early" in caplog.text


def test_reading_a_question_that_nothing_answers_gives_nothing(judged):
    assert PaperRetriever(judged, read=True).retrieve("how are tulips sold in Delft?") == []


def test_it_serves_a_retriever_query_engine(library):
    retriever = PaperRetriever(library, similarity_top_k=3)
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    response = engine.query(BACKPROP)
    assert titles(response.source_nodes) == titles(retriever.retrieve(BACKPROP))
    prompt = str(response)  # which is what the mock repeats
    for node in response.source_nodes:
        assert node.metadata["title"] in prompt
        assert node.text in prompt
    assert "evidence" not in prompt


@pytest.mark.parametrize("mode", [ResponseMode.REFINE, ResponseMode.TREE_SUMMARIZE])
def test_its_sentences_serve_any_response_synthesizer(library, mode):
    retriever = PaperRetriever(library, granularity="sentence")
    synthesizer = get_response_synthesizer(llm=MockLLM(), response_mode=mode, use_async=True)
    engine = RetrieverQueryEngine(retriever, synthesizer)
    response = asyncio.run(engine.aquery(BACKPROP))
    assert response.source_nodes[0].text in str(response) or mode == ResponseMode.REFINE


def test_it_is_scored_by_a_retriever_evaluator(library):
    facts = [entry for entry in labelled().values() if entry["type"] == "fact"]
    evaluator = RetrieverEvaluator.from_metric_names(
        ["hit_rate", "mrr", "recall"], retriever=PaperRetriever(library, similarity_top_k=5)
    )
    for entry in facts:
        expected = [paper_id(title) for title in entry["relevant"]]
        result = evaluator.evaluate(entry["question"], expected_ids=expected)
        assert result.metric_vals_dict["hit_rate"] == 1
        assert result.metric_vals_dict["mrr"] >= 0.5


class First(BaseSelector):
    """Chooses the first of anything."""

    def _get_prompts(self):
        return {}

    def _update_prompts(self, prompts):
        pass

    def _select(self, choices, query):
        del choices, query
        return SelectorResult(selections=[SingleSelection(index=0, reason="it is the first")])

    async def _aselect(self, choices, query):
        return self._select(choices, query)


def test_it_is_a_choice_of_a_router(library):
    retriever = PaperRetriever(library)
    tool = RetrieverTool.from_defaults(retriever, name="papers", description="papers")
    router = RouterRetriever(First(), [tool], llm=MockLLM())
    assert titles(router.retrieve(BACKPROP)) == titles(retriever.retrieve(BACKPROP))
    engines = [QueryEngineTool.from_defaults(PaperQueryEngine(library), description="papers")]
    answer = RouterQueryEngine(First(), engines, llm=MockLLM()).query(BACKPROP)
    assert str(answer).startswith("[1] ")


def test_it_is_fused_with_other_retrievers(library):
    papers = PaperRetriever(library, similarity_top_k=5)
    more = PaperRetriever(library, similarity_top_k=8)
    fusion = QueryFusionRetriever(
        [papers, more], llm=MockLLM(), num_queries=1, mode="reciprocal_rerank", similarity_top_k=5
    )
    assert titles(fusion.retrieve(BACKPROP)) == titles(papers.retrieve(BACKPROP))


def test_it_feeds_a_chat_engine(library):
    memory = ChatMemoryBuffer.from_defaults(llm=MockLLM())  # the default one leaves a file open
    chat = ContextChatEngine.from_defaults(PaperRetriever(library), llm=MockLLM(), memory=memory)
    response = chat.chat(BACKPROP)
    assert len(response.source_nodes) == 10


def test_a_retriever_is_a_tool(library):
    tool = RetrieverTool.from_defaults(PaperRetriever(library, similarity_top_k=2))
    content = tool.call(BACKPROP).content
    assert content.count("title: ") == 2
    assert "paper_id" not in content


def test_events_are_told_to_listeners_of_both_kinds(library):
    heard = []

    class Listener(BaseEventHandler):
        def handle(self, event, **_):
            heard.append(event.class_name())

    debug = LlamaDebugHandler(print_trace_on_end=False)
    manager = CallbackManager([debug])
    dispatcher = get_dispatcher()
    listener = Listener()
    dispatcher.add_event_handler(listener)
    try:
        PaperRetriever(library, callback_manager=manager).retrieve(BACKPROP)
        PaperQueryEngine(library, callback_manager=manager).query(BACKPROP)
    finally:
        dispatcher.event_handlers.remove(listener)
    assert {"RetrievalStartEvent", "RetrievalEndEvent", "QueryStartEvent", "QueryEndEvent"} <= set(
        heard
    )
    assert len(debug.get_event_pairs(CBEventType.RETRIEVE)) == 1
    assert len(debug.get_event_pairs(CBEventType.QUERY)) == 1
