"""Libraries that the retriever and the query engine are tested with."""

import pytest
from chat_server import ChatServer
from scripted_model import LabelModel

import qa


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
