"""`qa corpora` lists the stores and removes those that the user names or has no corpus for."""

import json
import shutil

import pytest


@pytest.fixture
def two(qa, small_corpus, tmp_path):
    """A corpus, and another one that is gone; both have a store."""
    gone = tmp_path / "gone"
    shutil.copytree(small_corpus, gone)
    assert qa("rebuild", small_corpus, gone).exit_code == 0
    shutil.rmtree(gone)
    return small_corpus, gone


def listed(qa):
    document = json.loads(qa("corpora", "--json").stdout)
    return {row["corpus"]: row for row in document["corpora"]}


def test_corpora_are_listed_with_papers_size_and_whether_they_are_there(qa, two):
    kept, gone = two
    done = qa("corpora")
    assert done.exit_code == 0
    lines = dict(zip(("gone", "kept"), sorted(done.stdout.splitlines()), strict=True))
    assert lines["gone"].endswith(f"{gone}  (gone)")
    assert lines["kept"].endswith(str(kept))
    assert all(line.split()[:2] == ["3", "papers"] for line in lines.values())
    assert "2 corpora" in done.stderr
    assert "qa corpora --remove-missing" in done.stderr
    rows = listed(qa)
    assert (rows[str(kept)]["exists"], rows[str(gone)]["exists"]) == (True, False)
    assert rows[str(kept)]["papers"] == 3
    assert rows[str(kept)]["disk_bytes"] > 10_000
    assert rows[str(kept)]["last_used"].startswith("20")


def test_stores_without_a_corpus_are_removed(qa, two):
    kept, _ = two
    assert qa("corpora", "--remove-missing", "--yes").exit_code == 0
    assert list(listed(qa)) == [str(kept)]
    assert qa("corpora", "--remove-missing", "--yes").stdout == "0 stores removed, 0 bytes freed.\n"


def test_one_store_is_removed_and_its_corpus_stays(qa, two):
    kept, gone = two
    done = qa("corpora", "--remove", kept, "--yes", "--json")
    assert [row["corpus"] for row in json.loads(done.stdout)["removed"]] == [str(kept)]
    assert list(listed(qa)) == [str(gone)]
    assert list(kept.iterdir())


def test_nothing_is_removed_where_nobody_can_be_asked(qa, two):
    kept, _ = two
    done = qa("corpora", "--remove", kept)
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert len(listed(qa)) == 2


def test_an_unknown_store_is_wrong_usage(qa, two, tmp_path):
    done = qa("corpora", "--remove", tmp_path, "--yes")
    assert done.exit_code == 2
    assert "qa corpora" in done.stderr
    assert len(listed(qa)) == 2


def test_no_stores_are_no_error(qa, environment):
    done = qa("corpora", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["corpora"] == []
