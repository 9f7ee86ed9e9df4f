"""The chat client against a real llama.cpp server with a very small model."""

import asyncio
import contextlib
import json

import pytest
from llama_server import ALIAS, MOST_TOKENS, llama_server

from qa.errors import ChatBadReply, ChatContextTooLong, ChatModelNotFound
from qa.llm.client import OpenAIChat
from qa.llm.messages import Message
from qa.llm.models import choose_model

SCHEMA = {
    "type": "object",
    "properties": {"relevance": {"type": "string", "enum": ["yes", "partly", "no"]}},
    "required": ["relevance"],
    "additionalProperties": False,
}
QUESTION = [Message("user", "Does backpropagation train networks? Answer yes or no.")]


@pytest.fixture(scope="module")
def url():
    with llama_server() as running:
        yield running


def with_client(url, action):
    async def run():
        chat = OpenAIChat(ALIAS, api_key=None, base_url=url)
        try:
            return await action(chat)
        finally:
            await chat.close()

    return asyncio.run(run())


def test_its_model_is_found(url):
    assert choose_model(None, None, url) == ALIAS


def test_a_whole_reply_is_counted(url):
    reply = with_client(url, lambda chat: chat.complete(QUESTION))
    assert reply.text
    assert 0 < reply.usage.completion_tokens <= MOST_TOKENS
    assert reply.usage.prompt_tokens > 10
    assert not reply.usage.estimated


def test_a_schema_binds_the_model(url):
    reply = with_client(url, lambda chat: chat.complete(QUESTION, schema=SCHEMA))
    assert json.loads(reply.text)["relevance"] in {"yes", "partly", "no"}


def test_a_stream_comes_in_pieces_and_is_counted(url):
    async def read(chat):
        stream, pieces = chat.stream(QUESTION), []
        with contextlib.suppress(ChatBadReply):  # it often talks up to the output limit
            async for piece in stream:
                pieces.append(piece)  # noqa: PERF401 - what came before an error counts
        return pieces, stream.usage

    pieces, usage = with_client(url, read)
    assert len(pieces) > 1
    assert 1 < usage.completion_tokens <= MOST_TOKENS
    assert not usage.estimated


def test_a_prompt_beyond_its_context_is_told(url):
    long = [Message("user", "word " * 2000)]
    with pytest.raises(ChatContextTooLong, match="tokens"):
        with_client(url, lambda chat: chat.complete(long))

    async def read(chat):
        return [piece async for piece in chat.stream(long)]

    with pytest.raises(ChatContextTooLong):
        with_client(url, read)


def test_an_address_that_is_not_its_api_is_told(url):
    with pytest.raises((ChatModelNotFound, ChatBadReply)):
        choose_model(None, None, url + "/nothing")
