"""The adapter fits where LlamaIndex takes a retriever, a query engine or a tool."""

import asyncio
import json
import threading

import pytest
from chat_server import ChatServer, Hang, Status
from llama_index.core import Settings, SimpleDirectoryReader
from llama_index.core.agent import FunctionAgent
from llama_index.core.base.base_selector import BaseSelector, SelectorResult, SingleSelection
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.evaluation import RetrieverEvaluator
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import ChatMessage, MessageRole, MockLLM
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever, RouterRetriever
from llama_index.core.schema import Document, MetadataMode, QueryBundle
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from scripted_model import LabelModel, labelled
from small_corpus import SMALL

import qa
from qa.corpus.papers import paper_id, title_key
from qa.errors import ChatAuthError, ConfigError, CorpusError, UsageError
from qa.llama_index.build import build
from qa.llama_index.query_engine import PaperQueryEngine
from qa.llama_index.retriever import PaperRetriever

BACKPROP = "which papers train without backprop?"
BREAD = "how is sourdough bread fermented?"


@pytest.fixture
def library(seeds):
    """The seeds, without a chat model."""
    with qa.open_corpus() as library:
        yield library


@pytest.fixture
def small(environment, small_corpus):
    """Three papers, without a chat model."""
    with qa.open_corpus(small_corpus, on_notice=print) as library:
        yield library


@pytest.fixture
def server(seeds):
    """A chat server that judges by the labels of the seed questions."""
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        yield server


@pytest.fixture
def judged(server):
    """The seeds, with that chat model."""
    with qa.open_corpus() as library:
        yield library


def titles(nodes):
    return [node.metadata["title"] for node in nodes]


# The retriever


def test_a_node_is_a_paper_under_its_id(small):
    nodes = PaperRetriever(small, similarity_top_k=2).retrieve(BREAD)
    assert len(nodes) == 2
    node = nodes[0].node
    (paper,) = small.papers_with(node.node_id)
    assert node.text == paper.abstract
    assert (node.start_char_idx, node.end_char_idx) == (0, len(paper.abstract))
    assert node.metadata["title"] == "Sourdough Fermentation at Low Temperature"
    assert node.metadata["source"] == "page.txt"


def test_evidence_stands_in_the_text_where_it_says(library):
    for found in PaperRetriever(library).retrieve(BACKPROP):
        for evidence in found.metadata["evidence"]:
            assert found.text[evidence["start"] : evidence["end"]] == evidence["text"]


def test_scores_fall_from_1(library):
    scores = [
        node.score for node in PaperRetriever(library, similarity_top_k=50).retrieve(BACKPROP)
    ]
    assert len(scores) == 50
    assert scores[0] == 1
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_a_chat_model_is_shown_the_title_and_the_abstract_and_nothing_else(small):
    node = PaperRetriever(small).retrieve(BREAD)[0].node
    title, abstract = node.metadata["title"], node.text
    assert node.get_content(MetadataMode.LLM) == f"title: {title}\n\n{abstract}"
    assert node.get_content(MetadataMode.EMBED) == f"title: {title}\n\n{abstract}"


def test_sentences_are_nodes_that_know_their_paper_and_place(small):
    retriever = PaperRetriever(small, granularity="sentence", similarity_top_k=1)
    (found,) = retriever.retrieve(BREAD)
    (paper,) = small.papers_with(found.node.ref_doc_id)
    start, end = found.node.start_char_idx, found.node.end_char_idx
    assert paper.abstract[start:end] == found.text
    assert found.node_id == f"{paper.id}:{found.metadata['sentence']}"
    assert found.metadata["title"] == paper.title


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


# In LlamaIndex's own places


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


# The query engine


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
    assert "19 answer, 6 in part (reading on turned up nothing more)" in text


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


def test_a_chat_model_that_cannot_be_asked_is_an_error_of_ours(server):
    server.model = lambda _: Status(401, "no such key")
    with qa.open_corpus() as library:
        for streaming in (False, True):
            engine = PaperQueryEngine(library, streaming=streaming)
            with pytest.raises(ChatAuthError):
                engine.query(BACKPROP)
            with pytest.raises(ChatAuthError):
                asyncio.run(engine.aquery(BACKPROP))


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


# Documents


def documents():
    return [
        Document(text=abstract, metadata={"title": title, "authors": ["Ada Moss"], "year": 2020})
        for title, abstract in SMALL.items()
    ]


def test_documents_become_a_library(environment):
    with build(documents(), "gardens") as library:
        assert {paper.title for paper in library.papers()} == set(SMALL)
        assert library.papers()[0].authors == ("Ada Moss",)
        (found,) = PaperRetriever(library, similarity_top_k=1).retrieve(BREAD)
    assert found.node_id == paper_id("Sourdough Fermentation at Low Temperature")


def test_documents_are_asked_by_the_command_too(environment, qa):
    with build(documents(), "gardens") as library:
        corpus = library.config.corpus
    done = qa("ask", BREAD, "--corpus", corpus)
    assert done.exit_code == 0
    assert "Sourdough Fermentation at Low Temperature" in done.stdout
    assert "changed" not in done.stderr


def test_building_again_takes_in_what_changed(environment):
    notices = []
    with build(documents(), on_notice=notices.append) as library:
        before = {paper.title: paper.id for paper in library.papers()}
    more = [
        *reversed(documents()),
        Document(text="Tulips were sold.", metadata={"title": "Tulips"}),
    ]
    with build(more, on_notice=notices.append) as library:
        after = {paper.title: paper.id for paper in library.papers()}
    with build(more[:-1], on_notice=notices.append):
        pass
    assert before.items() < after.items()
    first, second, third = (line for line in notices if line.startswith("Vector store"))
    assert "3 papers (3 new, 0 changed, 0 removed, 0 unchanged)" in first
    assert "4 papers (1 new, 0 changed, 0 removed, 3 unchanged)" in second
    assert "3 papers (0 new, 0 changed, 1 removed, 3 unchanged)" in third


def test_what_a_directory_reader_loads_is_taken_as_the_folder_would_be(environment, small_corpus):
    (small_corpus / "note.md").write_text("# Roofs\n\n## Abstract\n\nMoss grows on roofs.\n")
    loaded = SimpleDirectoryReader(small_corpus).load_data()
    with build(loaded) as library, qa.open_corpus(small_corpus) as folder:
        told = {(paper.id, paper.abstract) for paper in library.papers()}
        assert told == {(paper.id, paper.abstract) for paper in folder.papers()}
        assert len(told) == 4


def test_any_iterable_of_documents_or_of_nodes_will_do(environment):
    nodes = SentenceSplitter(chunk_size=40, chunk_overlap=0).get_nodes_from_documents(
        [
            Document(
                text=" ".join(SMALL.values()), metadata={"file_path": "all.pdf", "page_label": "1"}
            )
        ]
    )
    assert len(nodes) > 2
    with build(iter(nodes)) as library:
        assert len(library.papers()) == len(nodes)


def test_own_metadata_are_named_by_columns(environment):
    loaded = [Document(text=SMALL[title], metadata={"headline": title}) for title in SMALL]
    with build(loaded, columns={"title": "headline"}) as library:
        assert {paper.title for paper in library.papers()} == set(SMALL)


def test_documents_without_text_are_told_of_and_left_out(environment):
    notices = []
    scan = Document(text="", metadata={"file_name": "scan.pdf"})
    with build([scan, *documents()], on_notice=notices.append) as library:
        assert len(library.papers()) == 3
    assert notices[0] == "1 skipped, no text: scan.pdf"


def test_documents_with_odd_metadata_are_told_of_and_left_out(environment):
    notices = []
    held = {}
    held["self"] = held
    odd = Document(text="Moss grows.", metadata={"title": "Moss", "authors": held})
    with build([odd, *documents()], on_notice=notices.append) as library:
        assert len(library.papers()) == 3
    assert notices[0] == "1 skipped, metadata that cannot be read: document 1"


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ("papers/", UsageError, "'papers/' is no list of Documents. Open papers' files with"),
        (Document(text="x"), UsageError, "no list of Documents, but of type llama_index"),
        (7, UsageError, "no list of Documents, but of type int. Give"),
        (
            ["a text"],
            UsageError,
            "Document 1 is of type str. Give a list of Llama",
        ),
        ([Document(text="x"), {"text": "y"}], UsageError, "Document 2 is of type dict"),
        ([], CorpusError, "no papers in these documents"),
        ([Document(text=" ")], CorpusError, "no papers in these documents"),
    ],
)
def test_what_is_no_document_is_one_clear_line(environment, given, error, told):
    with pytest.raises(error, match=told):
        build(given, on_notice=print)


def test_a_failed_build_leaves_the_corpus_before_as_it_was(environment):
    with build(documents(), "gardens") as library:
        corpus = library.config.corpus
    before = (corpus / "documents.jsonl").read_bytes()
    with pytest.raises(CorpusError):
        build([], "gardens")
    assert (corpus / "documents.jsonl").read_bytes() == before


def test_build_is_a_name_of_the_package(environment):
    assert qa.build is build
