"""The chat client against a real HTTP server that fails in every way."""

import asyncio
import contextlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import openai  # noqa: F401 - here, so that importing it does not count against the short limits
import pytest
from chat_server import ChatServer, Events, Hang, Raw, Reply, Reset, Status, chunk, event

from qa.errors import (
    ChatAuthError,
    ChatBadReply,
    ChatContextTooLong,
    ChatError,
    ChatModelNotFound,
    ChatRateLimited,
    ChatRefused,
    ChatTimeout,
    ChatUnreachable,
    ConfigError,
)
from qa.llm.client import OpenAIChat, Timeouts
from qa.llm.messages import Message, Usage

KEY = "sk-test-0123456789abcdef"
QUESTION = [Message("system", "Be brief."), Message("user", "Which papers?")]
UNHURRIED = Timeouts(first_pause=0.001, total=20, idle=20)
HASTY = Timeouts(first_pause=0.001, connect=0.2, total=0.2, idle=0.1)
SCHEMA = {
    "type": "object",
    "properties": {"relevance": {"type": "string", "enum": ["yes", "partly", "no"]}},
    "required": ["relevance"],
    "additionalProperties": False,
}
PAGE = Raw(b"<html><body>Log in</body></html>", "text/html")


@pytest.fixture
def server():
    with ChatServer() as running:
        yield running


@contextlib.asynccontextmanager
async def client(url, *, model="scripted", key=KEY, timeouts=UNHURRIED, options=None):
    chat = OpenAIChat(model, api_key=key, base_url=url, timeouts=timeouts, options=options)
    try:
        yield chat
    finally:
        await chat.close()


def complete(server, *, schema=None, times=1, **settings):
    """Ask `times` with one client; returns the last reply."""

    async def ask():
        async with client(server.url, **settings) as chat:
            for _ in range(times):
                reply = await chat.complete(QUESTION, schema=schema)
            return reply

    return asyncio.run(ask())


def stream(server, **settings):
    """Read one stream; returns its pieces, the error that ended it or None, and its usage."""

    async def read():
        pieces, error = [], None
        async with client(server.url, **settings) as chat:
            reply = chat.stream(QUESTION)
            try:
                async for piece in reply:
                    pieces.append(piece)  # noqa: PERF401 - what came before an error counts
            except ChatError as exc:
                error = exc
            return pieces, error, reply.usage

    return asyncio.run(read())


def text_of(server, **settings):
    pieces, error, _ = stream(server, **settings)
    assert error is None, error
    return "".join(pieces)


class TestWholeReplies:
    def test_text_finish_and_usage_come_back(self, server):
        server.queue(Reply(" [1] says so.\n"))
        reply = complete(server)
        assert (reply.text, reply.finish) == ("[1] says so.", "stop")
        assert reply.usage == Usage(calls=1, prompt_tokens=11, completion_tokens=7)

    def test_neither_temperature_nor_max_tokens_is_sent(self, server):
        server.queue(Reply("yes"))
        complete(server)
        assert server.bodies[0].keys() <= {"model", "messages", "stream"}
        assert server.bodies[0]["messages"][0] == {"role": "system", "content": "Be brief."}

    def test_the_key_is_sent_as_a_bearer_token(self, server):
        server.queue(Reply("yes"))
        complete(server)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"

    def test_a_server_without_keys_is_sent_a_placeholder(self, server):
        server.queue(Reply("yes"))
        complete(server, key=None)
        assert KEY not in server.requests[0].headers["authorization"]

    def test_options_are_sent_along(self, server):
        server.queue(Reply("yes"))
        complete(server, options={"temperature": 0, "top_k": 1})
        assert server.bodies[0]["temperature"] == 0
        assert server.bodies[0]["top_k"] == 1

    def test_a_schema_is_sent_as_a_strict_one(self, server):
        server.queue(Reply('{"relevance": "yes"}'))
        complete(server, schema=SCHEMA)
        sent = server.bodies[0]["response_format"]
        assert sent["type"] == "json_schema"
        assert sent["json_schema"]["strict"] is True
        assert sent["json_schema"]["schema"] == SCHEMA

    def test_cached_tokens_are_told(self, server):
        usage = {
            "prompt_tokens": 9,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 5},
        }
        server.queue(Reply("yes", usage=usage))
        assert complete(server).usage.cached_tokens == 5

    @pytest.mark.parametrize(
        "usage", [None, {"prompt_tokens": 0, "completion_tokens": 0}, {"x": 1}]
    )
    def test_uncounted_tokens_are_estimated_and_say_so(self, server, usage):
        server.queue(Reply("four" * 3, usage=usage))
        assert complete(server).usage == Usage(1, 6, 3, 0, estimated=True)

    def test_a_reply_at_the_output_limit_says_so(self, server):
        server.queue(Reply("[1] says", finish="length"))
        assert complete(server).finish == "length"

    def test_thinking_is_dropped(self, server):
        server.queue(Reply("<think>\nHm, [9]?\n</think>\n\n[1] says so."))
        assert complete(server).text == "[1] says so."

    def test_reasoning_beside_the_text_is_dropped(self, server):
        server.queue(Reply("yes", message={"reasoning_content": "Hm."}))
        assert complete(server).text == "yes"

    def test_text_in_parts_is_put_together(self, server):
        parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "yes"}]
        server.queue(Reply(None, message={"content": parts}))
        assert complete(server).text == "yes"

    def test_several_at_once_get_their_own_replies(self):
        async def ask(url):
            async with client(url) as chat:
                messages = [[Message("user", str(n))] for n in range(20)]
                return await asyncio.gather(*(chat.complete(m) for m in messages))

        with ChatServer(model=lambda body: "re " + body["messages"][0]["content"]) as server:
            replies = asyncio.run(ask(server.url))
        assert [reply.text for reply in replies] == [f"re {n}" for n in range(20)]

    def test_a_question_that_is_not_utf8_is_sent_all_the_same(self, server):
        server.queue(Reply("yes"))

        async def ask():
            async with client(server.url) as chat:
                await chat.complete([Message("user", "caf\udce9?")])

        asyncio.run(ask())
        assert server.bodies[0]["messages"][0]["content"] == "caf??"


class TestWhatServersDoNotTake:
    def test_json_schema_is_degraded_step_by_step_and_never_sent_again(self, server):
        no = [
            Status(400, "Invalid value: 'json_schema'", error={"param": "response_format.type"}),
            Status(400, "This response_format type is unavailable now"),
        ]
        server.queue(*no, Reply("{}"), Reply("{}"))
        complete(server, schema=SCHEMA, times=2)
        kinds = [(body.get("response_format") or {}).get("type") for body in server.bodies]
        assert kinds == ["json_schema", "json_object", None, None]

    def test_calls_refused_at_once_degrade_one_step_only(self, server):
        def only_json_object(body):
            strict = body["response_format"]["type"] == "json_schema"
            return Status(400, "json_schema is not supported") if strict else "{}"

        server.model = only_json_object

        async def ask():
            async with client(server.url) as chat:
                asked = (chat.complete(QUESTION, schema=SCHEMA) for _ in range(3))
                await asyncio.gather(*asked)

        asyncio.run(ask())
        kinds = [body["response_format"]["type"] for body in server.bodies]
        assert kinds.count("json_object") == 3

    @pytest.mark.parametrize(
        "refusal",
        [
            Status(
                400, "Unsupported value: 'temperature' does not support 0", error={"param": "x"}
            ),
            Status(400, "Unsupported parameter", error={"param": "temperature"}),
            Raw(b'{"detail": [{"loc": ["body", "temperature"]}]}', status=422),
        ],
    )
    def test_a_refused_parameter_is_dropped(self, server, refusal):
        server.queue(refusal, Reply("yes"))
        complete(server, options={"temperature": 0, "seed": 1})
        assert "temperature" not in server.bodies[1]
        assert server.bodies[1]["seed"] == 1

    def test_each_refused_parameter_costs_one_try(self, server):
        no = (Status(400, f"unknown field {name}") for name in ("seed", "temperature", "top_k"))
        server.queue(*no, Reply("yes"))
        complete(
            server, options={"temperature": 0, "seed": 1, "top_k": 2}, timeouts=Timeouts(attempts=1)
        )
        assert len(server.bodies) == 4

    def test_refused_stream_options_leave_an_estimate(self, server):
        server.queue(Status(400, "Unrecognized argument: stream_options"), Reply("[1] says so."))
        pieces, error, usage = stream(server)
        assert ("".join(pieces), error) == ("[1] says so.", None)
        assert usage.estimated

    def test_refused_streaming_gives_the_reply_in_one_piece(self, server):
        verify = Status(400, "Verify to stream this model", error={"param": "stream"})
        server.queue(verify, Reply("[1] says so."))
        pieces, error, usage = stream(server)
        assert (pieces, error) == (["[1] says so."], None)
        assert usage == Usage(1, 11, 7)
        assert "stream_options" not in server.bodies[1]

    def test_a_refused_system_role_is_merged_into_the_question(self, server):
        server.queue(Status(400, "System role not supported"), Reply("yes"))
        complete(server)
        only = [{"role": "user", "content": "Be brief.\n\nWhich papers?"}]
        assert server.bodies[1]["messages"] == only

    def test_a_400_about_nothing_we_sent_is_an_error(self, server):
        server.queue(Status(400, "messages must not be funny"))
        with pytest.raises(ChatError, match=r"refused the request.*\(400\).*must not be funny"):
            complete(server, schema=SCHEMA)
        assert len(server.bodies) == 1


class TestPassingFailures:
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
    def test_a_passing_failure_is_overcome(self, server, status):
        server.queue(Status(status), Status(status), Reply("yes"))
        assert complete(server).text == "yes"

    @pytest.mark.parametrize("cut", [Reset(), Raw(b'{"choices": [{"mess', promised=500)])
    def test_a_broken_connection_is_overcome(self, server, cut):
        server.queue(cut, Reply("yes"))
        assert complete(server).text == "yes"

    def test_a_body_cut_off_without_a_length_is_overcome(self, server):
        server.queue(Raw(b'{"choices": [{"mess'), Reply("yes"))
        assert complete(server).text == "yes"

    def test_an_error_inside_a_200_is_overcome(self, server):
        server.queue(Raw(b'{"error": {"code": 502, "message": "upstream"}}'), Reply("yes"))
        assert complete(server).text == "yes"

    @pytest.mark.parametrize(
        ("status", "error", "words"),
        [
            (429, ChatRateLimited, r"too busy for scripted: it refused 4 times \(429\)"),
            (503, ChatRateLimited, r"too busy for scripted: it refused 4 times \(503\)"),
            (500, ChatError, r"failed on scripted \(500\) after 4 attempts"),
        ],
    )
    def test_a_lasting_failure_ends_after_all_tries(self, server, status, error, words):
        server.queue(*[Status(status)] * 9)
        with pytest.raises(error, match=words):
            complete(server)
        assert len(server.bodies) == 4

    def test_retry_after_is_waited_for(self, server):
        server.queue(Status(429, headers={"Retry-After": "0.05"}), Reply("yes"))
        assert complete(server, timeouts=Timeouts(first_pause=1000)).text == "yes"

    def test_retry_after_may_be_a_date(self, server):
        past = format_datetime(datetime.now(UTC) - timedelta(minutes=1), usegmt=True)
        server.queue(Status(429, headers={"Retry-After": past}), Reply("yes"))
        assert complete(server, timeouts=Timeouts(first_pause=1000)).text == "yes"

    def test_nonsense_in_retry_after_is_ignored(self, server):
        server.queue(Status(429, headers={"Retry-After": "soon"}), Reply("yes"))
        assert complete(server).text == "yes"

    def test_a_retry_after_beyond_patience_is_told_at_once(self, server):
        server.queue(Status(429, headers={"Retry-After": "3600"}))
        with pytest.raises(ChatRateLimited, match="asks to wait 3600 s"):
            complete(server)

    def test_no_try_is_made_that_would_end_after_the_time_limit(self, server):
        server.queue(Status(503, headers={"Retry-After": "5"}))
        with pytest.raises(ChatRateLimited):
            complete(server, timeouts=HASTY)

    def test_a_used_up_quota_is_not_tried_again(self, server):
        server.queue(Status(429, "You exceeded …", error={"code": "insufficient_quota"}))
        with pytest.raises(ChatRateLimited, match=r"quota is used up.*billing"):
            complete(server)
        assert len(server.bodies) == 1


class TestLastingFailures:
    def test_a_wrong_key_names_the_variable_and_not_the_key(self, server):
        server.queue(Status(401, f"Incorrect API key provided: {KEY}"))
        with pytest.raises(ChatAuthError, match="check OPENAI_API_KEY") as caught:
            complete(server)
        assert KEY not in str(caught.value)
        assert server.host in str(caught.value)
        assert len(server.requests) == 1

    def test_a_missing_key_is_asked_for(self, server):
        server.queue(Status(401))
        with pytest.raises(ChatAuthError, match=r"wants a key.*set OPENAI_API_KEY"):
            complete(server, key=None)

    def test_a_forbidden_model_is_told_in_the_servers_words_without_the_key(self, server):
        server.queue(Status(403, f"Project of {KEY} has no access\x1b[31m\nto it"))
        with pytest.raises(ChatAuthError, match=r"no access \[31m to it") as caught:
            complete(server)
        assert KEY not in str(caught.value)

    def test_an_unknown_model_comes_with_those_that_there_are(self, server):
        server.models = [f"m{n}" for n in range(7)]
        server.queue(Status(404, "The model `gpt-9` does not exist"))
        with pytest.raises(
            ChatModelNotFound, match=r"no model 'gpt-9'.*m0.*m4 and 2 more.*QA_MODEL"
        ):
            complete(server, model="gpt-9")

    def test_an_unknown_model_without_a_listing_is_told_too(self, server):
        server.models = Status(500)
        server.queue(Status(404, "nope", error={"code": "model_not_found"}))
        with pytest.raises(ChatModelNotFound, match="set QA_MODEL"):
            complete(server, model="gpt-9")

    def test_an_address_without_its_path_is_told(self, server):
        async def ask():
            async with client(f"http://{server.host}") as chat:
                await chat.complete(QUESTION)

        with pytest.raises(ChatUnreachable, match=rf"OPENAI_BASE_URL=http://{server.host}/v1"):
            asyncio.run(ask())

    @pytest.mark.parametrize(
        "answer",
        [
            Status(400, "maximum context length is 8 tokens", error={"param": "messages"}),
            Status(400, "Too much", error={"code": "context_length_exceeded"}),
            Status(500, "request (9 tokens) exceeds the available context size (8 tokens)"),
            Status(429, "Request too large for gpt-4o: Limit 3, Requested 9"),
            Status(413),
        ],
    )
    def test_a_prompt_that_is_too_long_has_its_own_error(self, server, answer):
        server.queue(answer)
        with pytest.raises(ChatContextTooLong, match="longer context"):
            complete(server, schema=SCHEMA)
        assert len(server.bodies) == 1

    def test_no_server_is_told_at_once(self):
        with ChatServer() as gone:
            pass
        with pytest.raises(ChatUnreachable, match=r"connection refused.*running.*OPENAI_BASE_URL"):
            complete(gone, timeouts=Timeouts(first_pause=1000))

    def test_an_unknown_host_is_told_at_once(self):
        async def ask():
            async with client("http://no-such-host.invalid/v1") as chat:
                await chat.complete(QUESTION)

        with pytest.raises(ChatUnreachable, match=r"no-such-host\.invalid"):
            asyncio.run(ask())

    def test_a_tls_address_without_tls_is_told(self, server):
        async def ask():
            async with client(server.url.replace("http:", "https:")) as chat:
                await chat.complete(QUESTION)

        with pytest.raises(ChatUnreachable):
            asyncio.run(ask())

    def test_a_server_that_hangs_ends_in_a_timeout(self, server):
        server.queue(Hang())
        with pytest.raises(ChatTimeout, match=r"within 0\.2 s.*QA_TIMEOUT"):
            complete(server, timeouts=HASTY)

    def test_a_body_that_stalls_ends_in_a_timeout(self, server):
        server.queue(Events(["a"], end="stall"))
        with pytest.raises(ChatTimeout):
            complete(server, timeouts=HASTY)

    @pytest.mark.parametrize("page", [PAGE, Raw(b"OK", "text/plain"), Raw(b"[]"), Raw(b"")])
    def test_what_is_no_chat_reply_is_told(self, server, page):
        server.queue(page)
        with pytest.raises(ChatBadReply, match="check OPENAI_BASE_URL"):
            complete(server)

    def test_an_error_page_is_not_quoted(self, server):
        server.queue(Raw(b"<html><body>Forbidden</body></html>", "text/html", 403))
        with pytest.raises(ChatAuthError) as caught:
            complete(server)
        assert "<" not in str(caught.value)

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(""),
            Reply(None),
            Reply("<think>on and on", finish="length"),
            Reply(None, finish="tool_calls", message={"tool_calls": [{"id": "1"}]}),
            Raw(b'{"choices": []}'),
            Raw(b'{"choices": [{"message": null}]}'),
            Raw(b'{"choices": {"0": 1}, "usage": []}'),
        ],
    )
    def test_a_reply_without_text_is_told(self, server, reply):
        server.queue(reply)
        with pytest.raises(ChatBadReply, match="ask again"):
            complete(server)

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(None, message={"refusal": "I won't."}),
            Reply("Half an", finish="content_filter"),
        ],
    )
    def test_a_refusal_has_its_own_error(self, server, reply):
        server.queue(reply)
        with pytest.raises(ChatRefused, match="declined"):
            complete(server)

    @pytest.mark.parametrize(
        "address", ["localhost:8080", "//host/v1", "ftp://host", "http://", "http://h:port/v1", "x"]
    )
    def test_an_address_that_is_none_is_refused_early(self, address):
        with pytest.raises(ConfigError, match=r"OPENAI_BASE_URL.*write it like http"):
            OpenAIChat("m", api_key=KEY, base_url=address)

    @pytest.mark.parametrize("key", ["sk-“quoted”", "sk-1\nsk-2", "sk 1"])
    def test_a_key_that_is_none_is_refused_early(self, key):
        with pytest.raises(ChatAuthError, match="OPENAI_API_KEY") as caught:
            OpenAIChat("m", api_key=key, base_url=None)
        assert key not in str(caught.value)

    def test_a_proxy_setting_that_cannot_be_used_is_told(self, server, monkeypatch):
        monkeypatch.setenv("ALL_PROXY", "what://proxy:1")
        with pytest.raises(ConfigError, match="ALL_PROXY"):
            complete(server)

    def test_a_password_in_the_address_is_not_told(self, server):
        server.queue(Status(403))

        async def ask():
            async with client(server.url.replace("//", "//user:secret@")) as chat:
                await chat.complete(QUESTION)

        with pytest.raises(ChatAuthError) as caught:
            asyncio.run(ask())
        assert "secret" not in str(caught.value)

    def test_a_cancelled_call_stops_at_once(self, server):
        server.queue(Hang())

        async def ask():
            async with client(server.url) as chat, asyncio.timeout(0.1):
                await chat.complete(QUESTION)

        with pytest.raises(TimeoutError):
            asyncio.run(ask())


class TestStreams:
    def test_the_text_comes_in_pieces_and_usage_afterwards(self, server):
        server.queue(Reply("[1] says so.", size=4))
        pieces, error, usage = stream(server)
        assert (pieces, error) == (["[1] ", "says", " so."], None)
        assert usage == Usage(1, 11, 7)

    def test_the_first_piece_arrives_before_the_last_is_sent(self, server):
        server.queue(Events(["first"], end="stall"))

        async def read():
            async with client(server.url) as chat, contextlib.aclosing(chat.stream(QUESTION)) as it:
                return await anext(aiter(it))

        assert asyncio.run(read()) == "first"

    def test_a_stream_left_early_lets_go_of_its_connection(self, server):
        server.queue(Events(["first"], end="stall"), Reply("second"))

        async def read():
            async with client(server.url) as chat:
                left = chat.stream(QUESTION)
                await anext(aiter(left))
                await left.aclose()
                return left.usage, (await chat.complete(QUESTION)).text

        usage, second = asyncio.run(read())
        assert second == "second"
        assert usage.estimated

    def test_line_separators_in_the_text_do_not_tear_it(self, server):
        text = "a\u2028b\u2029c\x85d\x0be\r\nf"
        server.queue(Reply(text))
        assert text_of(server) == text

    def test_pieces_torn_inside_a_character_are_put_together(self, server):
        data = event(chunk({"content": "naïve"})) + event(chunk({}, finish="stop"))
        middle = data.index("ï".encode()) + 1
        server.queue(Events([data[:middle], data[middle:]]))
        assert text_of(server) == "naïve"

    def test_comments_and_other_fields_are_skipped(self, server):
        server.queue(
            Events([b": ping\n\n", b"event: x\nid: 1\nretry: 5\n\n", "yes"], finish="stop")
        )
        assert text_of(server) == "yes"

    def test_windows_line_ends_are_understood(self, server):
        server.queue(Events([event(chunk({"content": "yes"})).replace(b"\n", b"\r\n")]))
        assert text_of(server) == "yes"

    def test_odd_events_are_skipped(self, server):
        odd = ["{}", '{"choices": null}', '{"choices": [{"delta": null}]}', '{"choices": [7]}']
        server.queue(Events([*(event(item) for item in odd), "yes"], finish="stop"))
        assert text_of(server) == "yes"

    def test_a_server_that_does_not_stream_gives_one_piece(self, server):
        server.queue(Reply("[1] says so.", ignore_stream=True))
        pieces, error, usage = stream(server)
        assert (pieces, error, usage) == (["[1] says so."], None, Usage(1, 11, 7))

    def test_a_server_that_names_no_finish_but_is_done_is_believed(self, server):
        server.queue(Events(["yes"], end="done"))
        assert text_of(server) == "yes"

    @pytest.mark.parametrize("end", ["eof", "cut", "stall"])
    def test_a_missing_epilogue_does_no_harm(self, server, end):
        server.queue(Events(["yes"], finish="stop", end=end))
        assert text_of(server, timeouts=Timeouts(idle=0.1)) == "yes"

    @pytest.mark.parametrize("end", ["eof", "cut"])
    def test_a_stream_cut_off_keeps_its_pieces_and_says_so(self, server, end):
        server.queue(Events(["[1] ", "says"], end=end), Reply("never asked for"))
        pieces, error, usage = stream(server)
        assert pieces == ["[1] ", "says"]
        assert isinstance(error, ChatBadReply)
        assert "broke off in the middle" in str(error)
        assert usage.estimated
        assert len(server.bodies) == 1

    def test_an_event_cut_off_keeps_the_pieces_before_it(self, server):
        server.queue(Events(["[1] ", b'data: {"choices": [{"del'], end="eof"))
        pieces, error, _ = stream(server)
        assert (pieces, type(error)) == (["[1] "], ChatBadReply)

    def test_a_stream_that_stalls_keeps_its_pieces_and_says_so(self, server):
        server.queue(Events(["[1] ", "says"], end="stall"))
        pieces, error, _ = stream(server, timeouts=HASTY)
        assert pieces == ["[1] ", "says"]
        assert isinstance(error, ChatTimeout)
        assert "stopped in the middle" in str(error)

    def test_a_stream_that_never_begins_ends_in_a_timeout(self, server):
        server.queue(Events([""], end="stall"))
        pieces, error, _ = stream(server, timeouts=HASTY)
        assert (pieces, type(error)) == ([], ChatTimeout)
        assert "QA_TIMEOUT" in str(error)

    def test_a_stream_that_drips_forever_ends(self, server):
        server.queue(Events(["drip"], end="stall"))
        timeouts = Timeouts(stream=0.2, idle=1000)
        pieces, error, _ = stream(server, timeouts=timeouts)
        assert (pieces, type(error)) == (["drip"], ChatTimeout)

    def test_the_output_limit_is_told_after_the_text(self, server):
        server.queue(Reply("[1] says", finish="length"))
        pieces, error, usage = stream(server)
        assert "".join(pieces) == "[1] says"
        assert isinstance(error, ChatBadReply)
        assert "reached its output limit" in str(error)
        assert usage == Usage(1, 11, 7)

    def test_an_error_in_the_middle_keeps_the_pieces(self, server):
        broken = b'data: {"error": {"message": "out of memory", "code": 500}}\n\n'
        server.queue(Events(["[1] ", broken]))
        pieces, error, _ = stream(server)
        assert pieces == ["[1] "]
        assert "out of memory" in str(error)

    def test_a_filter_or_a_refusal_is_told(self, server):
        server.queue(Events(["Half"], finish="content_filter"))
        assert isinstance(stream(server)[1], ChatRefused)
        server.queue(Reply("", message={"refusal": "I won't."}))
        assert "I won't." in str(stream(server)[1])

    @pytest.mark.parametrize(
        "reply",
        [Reply(""), Reply(" \n "), Reply("", message={"tool_calls": [{}]}, finish="tool_calls")],
    )
    def test_an_empty_stream_is_told(self, server, reply):
        server.queue(reply)
        pieces, error, usage = stream(server)
        assert (pieces, type(error)) == ([], ChatBadReply)
        assert usage.prompt_tokens == 11

    def test_a_page_instead_of_a_stream_is_told(self, server):
        server.queue(PAGE)
        assert "check OPENAI_BASE_URL" in str(stream(server)[1])

    @pytest.mark.parametrize(
        "failure",
        [
            Status(429),
            Status(503),
            Reset(),
            Events([], end="cut"),
            Events([""], end="eof"),
            Events([b'data: {"error": {"code": 503}}\n\n']),
            Raw(b'{"choices": [{"mess', promised=500),
        ],
    )
    def test_a_failure_before_the_text_is_overcome(self, server, failure):
        server.queue(failure, Reply("[1] says so."))
        assert text_of(server) == "[1] says so."

    @pytest.mark.parametrize(
        ("failure", "error"),
        [
            (Status(401), ChatAuthError),
            (Status(404, "model x not found"), ChatModelNotFound),
            (Status(400, "context length exceeded"), ChatContextTooLong),
            (Events([b'data: {"error": {"message": "context size"}}\n\n']), ChatContextTooLong),
            (Hang(), ChatTimeout),
        ],
    )
    def test_a_lasting_failure_is_told(self, server, failure, error):
        server.queue(failure)
        pieces, raised, usage = stream(server, timeouts=HASTY)
        assert (pieces, type(raised), usage) == ([], error, Usage())

    @pytest.mark.parametrize("size", [1, 3, 7, 1000])
    def test_thinking_is_dropped_however_it_is_torn(self, server, size):
        server.queue(Reply("\n<think>\nHm, [9]?\n</think>\n\n[1] says <think> so.", size=size))
        assert text_of(server) == "[1] says <think> so."

    def test_reasoning_beside_the_text_counts_and_is_not_shown(self, server):
        thought = event(chunk({"reasoning_content": "x" * 400}))
        server.queue(Events([thought, "yes"], finish="stop"))
        pieces, _, usage = stream(server)
        assert pieces == ["yes"]
        assert usage.completion_tokens > 100

    def test_thinking_that_whole_replies_began_with_is_dropped_from_streams_too(self, server):
        # Templates that put the opening tag into the prompt send only the closing one.
        server.queue(Reply("Hm.\n</think>\n\nyes"), Reply("Hm, [9]?\n</think>\n\n[1] says so."))

        async def ask():
            async with client(server.url) as chat:
                first = await chat.complete(QUESTION)
                return first.text, "".join([piece async for piece in chat.stream(QUESTION)])

        assert asyncio.run(ask()) == ("yes", "[1] says so.")


def test_importing_the_client_does_not_import_openai():
    code = "import sys, qa.llm.client, qa.llm.pricing; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_usage_adds_up():
    total = Usage(1, 10, 2, 5) + Usage(1, 1, 1, estimated=True)
    assert total == Usage(2, 11, 3, 5, estimated=True)
    assert total.total_tokens == 14


def test_the_users_time_limit_sets_the_others():
    assert Timeouts.within(300) == Timeouts()
    assert Timeouts.within(5).connect == Timeouts.within(5).idle == 5
    assert Timeouts.within(1200).idle > Timeouts().idle


TOP = [{"token": "Yes", "logprob": -0.2}, {"token": "No", "logprob": -1.8}]
FIRST = {"content": [{**TOP[0], "top_logprobs": TOP}]}


def first_token(server):
    async def ask():
        chat = OpenAIChat("m", api_key="k", base_url=server.url)
        try:
            return await chat.first_token([Message("user", "Yes or No?")])
        finally:
            await chat.close()

    return asyncio.run(ask())


def test_the_first_token_comes_with_its_alternatives():
    with ChatServer() as server:
        server.queue(Reply("", finish="length", logprobs=FIRST))
        reply = first_token(server)
    assert reply.first_tokens == {"Yes": -0.2, "No": -1.8}
    assert (server.bodies[0]["max_tokens"], server.bodies[0]["logprobs"]) == (1, True)


def test_a_server_that_refuses_probabilities_is_asked_without():
    with ChatServer() as server:
        refusal = "Unsupported parameter: 'logprobs' is not supported with this model."
        server.queue(Status(400, refusal), Reply("Yes"))
        reply = first_token(server)
    assert reply.first_tokens == {}
    assert "logprobs" not in server.bodies[1]


@pytest.mark.parametrize("odd", [{"content": []}, {"content": [{}]}, {"content": "x"}, {}, None])
def test_odd_probabilities_count_as_none(odd):
    with ChatServer() as server:
        server.queue(Reply("Yes", logprobs=odd))
        assert first_token(server).first_tokens == {}
