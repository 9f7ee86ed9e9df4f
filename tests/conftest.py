"""What the tests share: the seeds' store, built once, and commands in a clean environment."""

import os
import shutil

import hypothesis
import pytest
from local_model import minilm
from small_corpus import SMALL
from typer.testing import CliRunner

from qa.config import Config, bundled, refuse_telemetry

SETTINGS = ("QA_", "OPENAI_", "OTEL_", "NO_COLOR", "FORCE_COLOR")

# No test fails for being slow: these machines may be busy.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

refuse_telemetry()  # some tests load ONNX Runtime themselves


@pytest.fixture(scope="session")
def weights_folder():
    """The folder with the converted weights, where `ask` itself keeps them."""
    minilm().embed(["warm"])
    return Config.from_env(os.environ).cache


@pytest.fixture(scope="session")
def seeds_store(tmp_path_factory, weights_folder):
    """A store folder with the seeds in it; tests that write copy it."""
    from qa.corpus.readers.corpus import read_corpus
    from qa.index.build import build

    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent  # one store for all workers: the first builds it, the others wait
    store = shared / "seeds_store"
    build(store, read_corpus(bundled("seeds")), minilm())
    return store


@pytest.fixture
def environment(tmp_path, monkeypatch, weights_folder):
    """No settings from outside; stores and verdicts in the test's own folder."""
    for name in list(os.environ):
        if name.startswith(SETTINGS):
            monkeypatch.delenv(name)
    cache = tmp_path / "cache"
    shutil.copytree(weights_folder, cache, copy_function=os.link, ignore=_not_weights)
    monkeypatch.setenv("QA_CACHE", str(cache))
    monkeypatch.setenv("QA_STORE", str(tmp_path / "stores"))
    monkeypatch.setenv("QA_TRUST_JUDGE", "1")  # few of the tests' models know the entrance test
    return monkeypatch


def _not_weights(_, names):
    kept = ("verdicts", "chat_history")
    return [name for name in names if name.startswith(kept) or name.endswith(".lock")]


@pytest.fixture
def seeds(environment, seeds_store):
    """The environment of a user with the seeds' store built."""
    environment.setenv("QA_STORE", str(seeds_store))
    return environment


@pytest.fixture
def qa(environment):
    """Run a `qa` command: `qa("ask", "which papers ...?")` gives exit_code, stdout, stderr."""
    from qa.cli.app import app

    runner = CliRunner()

    def run(*words, stdin=None):
        return runner.invoke(app, [str(word) for word in words], input=stdin)

    return run


@pytest.fixture
def small_corpus(tmp_path):
    """A folder with one page of three papers."""
    folder = tmp_path / "papers"
    folder.mkdir()
    lines = ["Get trending papers in your email inbox!"]
    for title, abstract in SMALL.items():
        lines += [("Subscribe" if len(lines) == 1 else "") + title, abstract]
    (folder / "page.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder
