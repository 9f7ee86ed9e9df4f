"""What the shell completes from the corpus, for `qa` and for `ask`."""

import os

import pytest
from typer.testing import CliRunner

from qa.cli.app import app, ask_app

LIBRARY = """@article{a, title={Tides of the Moon}, abstract={We measure tides in nine bays.},
 journal={Journal of Tides}, author={Ann Müller}}
@article{b, title={Lichens of Walls}, abstract={We count lichens on forty old walls.},
 journal={Lichen Letters}, author={Bo Li}}
"""


@pytest.fixture
def library(environment, tmp_path, qa):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "tides and more.bib").write_text(LIBRARY, encoding="utf-8")
    environment.setenv("QA_CORPUS", str(folder))
    environment.setenv("QA_MODEL", "none")
    return folder


def completed(program, *words):
    """Return what bash is offered for the last word."""
    name = "ask" if program is ask_app else "qa"
    settings = {
        f"_{name.upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join([name, *words]),
        "COMP_CWORD": str(len(words)),
    }
    return CliRunner().invoke(program, [], env={**os.environ, **settings}, prog_name=name).stdout


def test_ids_sources_venues_and_authors_come_from_the_corpus(library, qa):
    qa("rebuild")
    ids = [line.split()[0] for line in qa("papers").stdout.splitlines()]
    assert completed(app, "show", ids[0][:3]).split() == [ids[0]]
    assert completed(app, "papers", "--source", "ti").strip() == "tides and more.bib"
    assert completed(app, "search", "--venue", "J").strip() == "Journal of Tides"
    assert completed(app, "search", "--author", "Ann").strip() == "Ann Müller"


def test_ask_completes_as_qa_does(library, qa):
    qa("rebuild")
    assert completed(ask_app, "--venue", "Lich").strip() == "Lichen Letters"
    assert "--source" in completed(ask_app, "--so")


def test_without_a_store_nothing_is_offered(library, environment):
    assert completed(app, "show", "a").strip() == ""
    environment.setenv("QA_CORPUS", "/nowhere")
    assert completed(app, "papers", "--source", "a").strip() == ""
