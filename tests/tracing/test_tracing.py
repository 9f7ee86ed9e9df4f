"""OpenTelemetry spans: where they are asked for, true and well nested; else nothing at all."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading

import pytest
from chat_server import ChatServer, Hang, Reply, Status
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once
from otel_collectors import GrpcCollector, HttpCollector
from scripted_model import LabelModel

from qa.answering.reading import Limits
from qa.config import Traces, configured
from qa.errors import ChatError, ConfigError
from qa.library.opening import open_library
from qa.progress import Work
from qa.tracing.spans import recorded

BACKPROP = "which papers train without backprop?"
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
QUICK = Limits(quick=True)


@pytest.fixture
def server(seeds):
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        seeds.setenv("OPENAI_API_KEY", "sk-secret-key")
        yield server


class OpenSpans(SpanProcessor):
    """The spans that have begun and not ended."""

    def __init__(self):
        self.ids = set()

    def on_start(self, span, parent_context=None):
        del parent_context
        self.ids.add(span.context.span_id)

    def on_end(self, span):
        self.ids.remove(span.context.span_id)


@pytest.fixture
def spans():
    """The finished spans of a program that has a tracer provider of its own; all must end."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    open_spans = OpenSpans()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.add_span_processor(open_spans)
    trace.set_tracer_provider(provider)
    yield exporter.get_finished_spans
    assert open_spans.ids == set()
    # A program sets its provider once and for all; only a test takes it back.
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = Once()


def run(*words, **environ):
    """A `qa` command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "qa", *words],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def program(code, **environ):
    """A Python program in a process of its own; gives what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(question=BACKPROP, **kwargs):
    with open_library(configured()) as library:
        return library.ask(question, **kwargs)


def named(spans, start):
    return [span for span in spans() if span.name.startswith(start)]


# What commands send


@pytest.mark.parametrize("collector", [GrpcCollector, HttpCollector])
def test_a_collector_gets_the_question_its_steps_and_calls_as_one_tree(server, collector):
    with collector() as got:
        done = run("ask", BACKPROP, OTEL_EXPORTER_OTLP_ENDPOINT=got.url)
    assert done.returncode == 0, done.stderr
    assert "race" not in done.stderr
    [root] = got.named("ask")
    assert root.parent == b""
    assert {span.trace for span in got.spans} == {root.trace}
    tree = got.tree(root)
    assert len(tree) == len(got.spans)
    rounds = root.attributes["qa.rounds"]
    assert tree.count(("ask", "rank")) == rounds + 1
    assert tree.count(("ask", "judge")) == rounds
    assert tree.count(("ask", "rank", "embeddings all-MiniLM-L6-v2")) == 1
    assert tree.count(("ask", "judge", "chat scripted")) == len(server.bodies) - 1
    assert tree[-3:] == [("ask", "write"), ("ask", "write", "chat scripted"), ("ask", "assemble")]


def test_counts_of_the_question_are_those_of_the_answer(server):
    with GrpcCollector() as got:
        done = run("ask", BACKPROP, "--json", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=got.url)
    answer = json.loads(done.stdout)
    told = got.named("ask")[0].attributes
    for name in ("corpus", "candidates", "read", "partly", "unjudged"):
        assert told[f"qa.papers.{name}"] == answer["coverage"][name]
    assert told["qa.papers.yes"] == answer["coverage"]["relevant"]
    assert told["gen_ai.usage.input_tokens"] == answer["usage"]["prompt_tokens"]
    assert told["qa.outcome"] == "answered"
    assert told["qa.stopped"] == "dry"
    judged = got.named("judge")
    assert [span.attributes["qa.round"] for span in judged] == [*range(1, len(judged) + 1)]
    assert sum(span.attributes["qa.papers.read"] for span in judged) == answer["coverage"]["read"]
    calls = got.named("chat")
    assert (
        sum(call.attributes["gen_ai.usage.output_tokens"] for call in calls)
        == (answer["usage"]["completion_tokens"])
    )


def test_spans_carry_the_name_that_the_environment_gives_the_service(server):
    with GrpcCollector() as got:
        run("ask", BACKPROP, "--quick", OTEL_EXPORTER_OTLP_ENDPOINT=got.url)
        run(
            "ask",
            BACKPROP,
            "--quick",
            OTEL_EXPORTER_OTLP_ENDPOINT=got.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-team=papers",
            OTEL_SERVICE_NAME="reading-room",
        )
    first, second = got.named("ask")
    assert first.resource["service.name"] == "ask-papers"
    assert second.resource["service.name"] == "reading-room"
    assert got.headers["x-team"] == "papers"


def test_console_puts_spans_on_stderr_after_the_answer(server):
    done = run("ask", BACKPROP, "--quick", OTEL_TRACES_EXPORTER="console")
    assert done.stdout.startswith("These papers qualify")
    assert '"name"' not in done.stdout
    assert done.stderr.count('"name": "rank"') == 2
    assert '"name": "ask"' in done.stderr


def test_neither_key_nor_question_nor_texts_are_sent_unasked(server):
    with GrpcCollector() as got:
        run("ask", BACKPROP, "--quick", OTEL_EXPORTER_OTLP_ENDPOINT=got.url)
    sent = repr(got.spans)
    assert "sk-secret" not in sent
    assert "backprop" not in sent
    assert "papers qualify" not in sent


def test_question_prompts_and_answer_are_sent_where_they_are_asked_for(server):
    with GrpcCollector() as got:
        run("ask", BACKPROP, "--quick", OTEL_EXPORTER_OTLP_ENDPOINT=got.url, **{CONTENT: "true"})
    [root] = got.named("ask")
    [question] = json.loads(root.attributes["gen_ai.input.messages"])
    assert question == {"role": "user", "parts": [{"type": "text", "content": BACKPROP}]}
    [answer] = json.loads(root.attributes["gen_ai.output.messages"])
    assert answer["parts"][0]["content"].startswith("These papers qualify")
    for call in got.named("chat"):
        assert BACKPROP in call.attributes["gen_ai.input.messages"]
        assert "gen_ai.system_instructions" in call.attributes
        assert json.loads(call.attributes["gen_ai.output.messages"])[0]["role"] == "assistant"
    assert "sk-secret" not in repr(got.spans)


def test_spans_of_an_interrupted_question_arrive(server):
    asked = hanging(server)
    with GrpcCollector() as got:
        command = subprocess.Popen(
            [sys.executable, "-m", "qa", "ask", BACKPROP],
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": got.url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert asked.wait(60)
        command.send_signal(signal.SIGINT)
        _, stderr = command.communicate()
    assert command.returncode == 130
    assert stderr == "Interrupted. What was read and embedded is kept.\n"
    assert {span.name for span in got.spans} >= {"ask", "rank", "judge", "chat scripted"}


def hanging(server):
    """Has the server never answer; gives what is set when it is asked."""
    asked = threading.Event()

    def hang(_):
        asked.set()
        return Hang()

    server.model = hang
    return asked


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_is_down_costs_a_line_and_no_answer(seeds, protocol):
    url = f"http://127.0.0.1:{unused_port()}"
    down = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    done = run("ask", BACKPROP, **down)
    assert done.returncode == 0
    assert done.stdout == run("ask", BACKPROP).stdout
    told = [line for line in done.stderr.splitlines() if "OPENAI" not in line]
    assert told == [f"Traces could not be sent to {url}: is a collector running there?"]


def test_a_collector_that_never_answers_is_not_waited_for(seeds):
    # The bound is the exporter's own timeout: without ours the end would take that long.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = run(
            "ask", BACKPROP, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_TIMEOUT="99"
        )
    assert done.returncode == 0
    assert f"Traces could not be sent to {url}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json'",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
            "OpenTelemetry cannot be set up as its variables say",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "console", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "all"},
            "OpenTelemetry cannot be loaded: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be",
        ),
    ],
)
def test_what_cannot_be_exported_is_told_and_the_question_answered(seeds, environ, told):
    done = run("ask", BACKPROP, **environ)
    assert done.returncode == 0
    assert f"No traces are sent: {told}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_exporter_is_told_with_the_command_that_installs_it(seeds):
    code = """
        import sys
        sys.modules["opentelemetry.exporter.otlp.proto.http.trace_exporter"] = None
        from qa.__main__ import ask_main
        sys.argv = ["ask", "which papers train without backprop?"]
        try:
            ask_main()
        finally:
            sys.stderr.flush()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "pip install 'ask-papers[otel]'" in done.stderr


@pytest.mark.parametrize(
    ("environ", "exporters", "protocol"),
    [
        ({}, (), "grpc"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, (), "grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4317"}, ("otlp",), "grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318"}, ("otlp",), "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318/"}, ("otlp",), "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://x/v1/traces"}, ("otlp",), "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": " Console, otlp"}, ("console", "otlp"), "grpc"),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "TRUE"}, (), "grpc"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
            },
            ("otlp",),
            "grpc",
        ),
    ],
)
def test_opentelemetrys_own_variables_say_where_spans_go(environ, exporters, protocol):
    traces = Traces.from_env(environ)
    assert (traces.exporters, traces.protocol) == (exporters, protocol)


# What a program's own provider gets


def test_a_programs_spans_and_ours_are_one_trace(server, spans):
    with trace.get_tracer("program").start_as_current_span("reading room") as outer:
        ask(limits=QUICK)
        assert trace.get_current_span() is outer
    [root] = named(spans, "ask")
    assert root.parent.span_id == outer.get_span_context().span_id
    assert {span.context.trace_id for span in spans()} == {outer.get_span_context().trace_id}


def test_a_question_asked_where_a_loop_runs_stands_under_the_programs_span(seeds, spans):
    async def notebook():
        with trace.get_tracer("program").start_as_current_span("cell"):
            ask()

    asyncio.run(notebook())
    [cell], [root] = named(spans, "cell"), named(spans, "ask")
    assert root.parent.span_id == cell.context.span_id


def test_questions_side_by_side_are_not_mixed(server, spans):
    questions = ["which papers train without backprop?", "what is dropout?", "what is a GNN?"]

    async def together():
        with open_library(configured()) as library:
            await asyncio.gather(*(library.aask(q, limits=QUICK, cached=False) for q in questions))

    asyncio.run(together())
    roots = named(spans, "ask")
    assert len({root.context.trace_id for root in roots}) == len(questions)
    by_id = {span.context.span_id: span for span in spans()}
    for root in roots:
        mine = [span for span in spans() if span.context.trace_id == root.context.trace_id]
        assert (
            len([span for span in mine if span.name.startswith("chat")])
            == (root.attributes["qa.chat.calls"])
        )
        for span in mine:
            if span is not root:
                parent = by_id[span.parent.span_id]
                assert parent.context.trace_id == root.context.trace_id
                assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time


def test_resent_calls_say_how_often_and_why(server, spans):
    server.queue(
        Status(429, headers={"Retry-After": "0"}), Status(503, headers={"Retry-After": "0"})
    )
    ask(limits=QUICK)
    counts = [call.attributes.get("http.request.resend_count", 0) for call in named(spans, "chat")]
    assert sum(counts) == 2
    told = [
        event.attributes["error.type"] for call in named(spans, "chat") for event in call.events
    ]
    assert sorted(told) == ["429", "503"]


def test_a_failing_call_ends_its_span_with_the_error(server, spans):
    server.model = lambda _: Status(401, "no such key")
    answer = ask()
    assert [warning.kind for warning in answer.warnings] == ["model_failed"]
    span = named(spans, "chat")[-1]
    assert span.status.status_code == trace.StatusCode.ERROR
    assert span.attributes["error.type"] == "ChatAuthError"
    assert span.events[-1].name == "exception"
    asked = named(spans, "ask")[-1]  # which has an answer: by score, and with the reason
    assert asked.status.status_code != trace.StatusCode.ERROR
    assert list(asked.attributes["qa.warnings"]) == ["model_failed"]


@pytest.mark.parametrize("status", [401, 400])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_server_that_repeats_key_and_prompt_gets_neither_into_spans(
    server, spans, status, streamed
):
    model = LabelModel()

    def repeats(body):
        if bool(body.get("stream")) != streamed:
            return model(body)
        prompt = body["messages"][-1]["content"]
        return Status(status, f"sk-secret-key cannot have: {BACKPROP} {prompt}")

    server.model = repeats
    with contextlib.suppress(ChatError):
        ask(limits=QUICK)
    failed = [span for span in spans() if span.status.status_code == trace.StatusCode.ERROR]
    assert failed
    for span in failed:
        assert span.status.description == span.attributes["error.type"]
        [event] = span.events
        assert event.name == "exception"
        assert event.attributes == {"exception.type": span.status.description}
    sent = " ".join(span.to_json() for span in spans())
    assert "sk-secret" not in sent
    assert "backprop" not in sent


def test_what_an_error_says_is_traced_with_the_texts_but_without_the_key(server, seeds, spans):
    server.model = lambda _: Status(400, f"sk-secret-key cannot have: {BACKPROP}")
    seeds.setenv(CONTENT, "true")
    with contextlib.suppress(ChatError):
        ask(limits=QUICK)
    span = named(spans, "chat")[-1]
    assert f"*** cannot have: {BACKPROP}" in span.status.description
    assert span.events[-1].attributes["exception.message"] == span.status.description
    assert "sk-secret" not in " ".join(span.to_json() for span in spans())


def test_errors_of_other_libraries_are_traced_without_their_words(spans, monkeypatch):
    monkeypatch.setenv(CONTENT, "true")
    with pytest.raises(ValueError, match="sk-secret"), recorded(Work("search")):
        raise ValueError("sk-secret-key")
    with pytest.raises(ConfigError), recorded(Work("rebuild")):
        raise ConfigError("http://me:secret@host/v1 is wrong")
    assert [span.status.description for span in spans()] == [
        "ValueError",
        "http://***@host/v1 is wrong",
    ]
    assert "secret" not in " ".join(span.to_json() for span in spans())


def test_an_answer_cut_off_ends_its_call_with_the_error_and_the_question_well(server, spans):
    model = LabelModel()
    server.model = lambda body: Reply("Cut", finish="length") if body.get("stream") else model(body)
    answer = ask(limits=QUICK)
    assert "partial_answer" in {warning.kind for warning in answer.warnings}
    [writing] = [c for c in named(spans, "chat") if c.attributes["gen_ai.request.stream"]]
    assert writing.attributes["error.type"] == "ChatBadReply"
    [root] = named(spans, "ask")
    assert root.status.status_code == trace.StatusCode.UNSET
    assert "partial_answer" in root.attributes["qa.warnings"]


def test_a_cancelled_question_ends_its_spans(server, spans, caplog):
    asked = hanging(server)

    async def cancelled():
        with open_library(configured()) as library:
            task = asyncio.ensure_future(library.aask(BACKPROP, cached=False))
            await asyncio.to_thread(asked.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())
    assert {span.name for span in spans()} >= {"ask", "rank", "judge", "chat scripted"}
    assert not trace.get_current_span().is_recording()
    assert named(spans, "ask")[0].attributes["qa.cancelled"]
    assert "detach" not in caplog.text


def test_without_a_model_a_question_is_traced_too(seeds, spans):
    ask()
    assert [span.name for span in spans()] == [
        *("embeddings all-MiniLM-L6-v2", "rank", "write", "assemble", "ask")
    ]
    [root] = named(spans, "ask")
    assert "gen_ai.request.model" not in root.attributes
    assert root.attributes["qa.papers.listed"] > 0


def test_a_search_is_a_span_with_the_questions_vector_below(seeds, spans):
    with open_library(configured(), chat=False) as library:
        library.search(BACKPROP)
    vector, search = spans()
    assert search.name == "search"
    assert vector.parent.span_id == search.context.span_id
    assert vector.attributes["gen_ai.embeddings.dimension.count"] == 384


def test_a_rebuild_is_a_span_with_its_counts(environment, small_corpus, spans):
    import qa

    report = qa.rebuild(small_corpus)
    [rebuild] = spans()
    assert rebuild.name == "rebuild"
    assert rebuild.attributes["qa.papers.new"] == report.new == 3


def test_spans_of_other_llamaindex_programs_are_left_to_them(seeds, spans):
    from llama_index_instrumentation import get_dispatcher

    ask()
    before = len(spans())

    @get_dispatcher("program").span
    def theirs():
        return 1

    assert theirs() == 1
    assert len(spans()) == before


# What it costs where nobody asked for it


def test_nothing_of_opentelemetry_is_loaded_unasked(server):
    loaded = program(
        """
        import sys
        import qa
        qa.ask("which papers train without backprop?", limits=qa.Limits(quick=True))
        qa.search("backprop")
        print(*sorted({name.split(".")[0] for name in sys.modules}))
        """
    ).split()
    assert "workflows" in loaded
    assert not {"opentelemetry", "grpc", "requests", "posthog"} & set(loaded)


def test_a_provider_that_is_none_changes_nothing(server):
    loaded = program(
        """
        import sys
        import opentelemetry.trace
        import qa
        qa.ask("which papers train without backprop?", limits=qa.Limits(quick=True))
        print(*(name for name in sys.modules if name.startswith("qa.tracing.")))
        """
    )
    assert loaded.split() == []
