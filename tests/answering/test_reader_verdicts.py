import sqlite3
from contextlib import closing

import pytest

from qa.answering.reader_verdicts import ReaderVerdicts
from qa.errors import StoreError
from qa.retrieval.relevance import Relevance

QUESTION = "which papers prune?"


@pytest.fixture
def kept(tmp_path):
    return ReaderVerdicts(tmp_path / "new" / "reader.sqlite")


def test_a_verdict_is_read_back_by_whoever_opens_the_file(kept):
    kept.put(QUESTION, "a", Relevance.YES)
    kept.put(QUESTION, "b", Relevance.NO)
    assert ReaderVerdicts(kept._path).get(QUESTION) == {"a": "yes", "b": "no"}
    assert kept.get("which papers distil?") == {}


def test_case_spaces_and_question_mark_do_not_make_another_question(kept):
    kept.put(QUESTION, "a", Relevance.YES)
    assert kept.get("Which  papers prune") == {"a": "yes"}


def test_the_last_verdict_counts_and_none_takes_it_back(kept):
    kept.put(QUESTION, "a", Relevance.YES)
    kept.put(QUESTION, "a", Relevance.PARTLY)
    assert kept.get(QUESTION) == {"a": "partly"}
    kept.put(QUESTION, "a", None)
    assert kept.get(QUESTION) == {}


def test_undo_brings_back_what_was_before(kept):
    kept.put(QUESTION, "a", Relevance.YES)
    kept.put(QUESTION, "b", Relevance.YES)
    kept.put(QUESTION, "a", None)
    assert kept.undo(QUESTION) == "a"
    assert kept.get(QUESTION) == {"a": "yes", "b": "yes"}
    assert kept.undo(QUESTION) == "b"
    assert kept.undo(QUESTION) == "a"
    assert kept.undo(QUESTION) is None


def test_a_verdict_is_on_the_disk_when_the_call_returns(kept):
    kept.put(QUESTION, "a", Relevance.YES)
    with closing(sqlite3.connect(f"file:{kept._path}?mode=ro", uri=True)) as db:
        assert db.execute("SELECT count(*) FROM verdicts").fetchone() == (1,)


def test_a_file_that_cannot_be_used_is_an_error_and_no_silent_loss(kept):
    kept._path.parent.mkdir()
    kept._path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="cannot be kept"):
        kept.put(QUESTION, "a", Relevance.YES)
    with pytest.raises(StoreError, match="cannot be read"):
        kept.get(QUESTION)
