import sqlite3
from contextlib import closing

import pytest
from fakes import papers

from qa.answering.verdict_cache import VerdictCache, forget_verdicts, verdict_count
from qa.retrieval.relevance import Relevance, Verdict

QUESTION = "which?"


def kept(tmp_path, judge="model a, prompt 1"):
    return VerdictCache(tmp_path / "sub" / "verdicts.sqlite", judge)


def verdicts():
    return [
        Verdict(paper.id, relevance, (2, 1))
        for paper, relevance in zip(papers(3), (*Relevance,), strict=True)
    ]


def test_kept_verdicts_come_back_whole(tmp_path):
    kept(tmp_path).put(QUESTION, papers(3), verdicts())
    assert kept(tmp_path).get(QUESTION, papers(3)) == {v.paper_id: v for v in verdicts()}


def test_unusable_verdicts_are_not_kept(tmp_path):
    kept(tmp_path).put(QUESTION, papers(1), [Verdict(papers(1)[0].id, None)])
    assert kept(tmp_path).get(QUESTION, papers(1)) == {}


def test_another_question_model_or_text_is_judged_anew(tmp_path):
    kept(tmp_path).put(QUESTION, papers(3), verdicts())
    assert kept(tmp_path).get("which not?", papers(3)) == {}
    assert kept(tmp_path, "model b, prompt 1").get(QUESTION, papers(3)) == {}
    from fakes import paper

    assert kept(tmp_path).get(QUESTION, [paper(0, "Another abstract.")]) == {}


def test_broken_file_costs_money_but_not_the_answer(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    path.write_bytes(b"this is no database" * 100)
    cache = VerdictCache(path, "judge")
    cache.put(QUESTION, papers(3), verdicts())
    assert cache.get(QUESTION, papers(3)) == {}
    assert "verdicts.sqlite" in cache.trouble


def test_a_damaged_file_is_told_once_and_made_anew(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    path.write_bytes(b"this is no database" * 100)
    cache = VerdictCache(path, "judge")
    assert cache.get(QUESTION, papers(3)) == {}
    assert "damaged" in cache.trouble
    again = VerdictCache(path, "judge")
    again.put(QUESTION, papers(3), verdicts())
    assert len(again.get(QUESTION, papers(3))) == 3
    assert again.trouble is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE verdicts SET sentences = replace(sentences, '2', '3')",
        "UPDATE verdicts SET relevance = CASE relevance WHEN 'yes' THEN 'no' ELSE 'yes' END",
        "UPDATE verdicts SET relevance = 'yse'",
        "UPDATE verdicts SET sentences = x'00ff'",
        "UPDATE verdicts SET sentences = '[2, 1] %'",
    ],
)
def test_a_damaged_verdict_is_asked_for_again(tmp_path, damage):
    kept(tmp_path).put(QUESTION, papers(3), verdicts())
    with closing(sqlite3.connect(tmp_path / "sub" / "verdicts.sqlite")) as db, db:
        db.execute(damage)
    cache = kept(tmp_path)
    assert cache.get(QUESTION, papers(3)) == {}
    assert "damaged" in cache.trouble
    cache.put(QUESTION, papers(3), verdicts())
    assert len(kept(tmp_path).get(QUESTION, papers(3))) == 3


def test_verdicts_of_an_earlier_version_are_used(tmp_path):
    kept(tmp_path).put(QUESTION, papers(3), verdicts())
    with closing(sqlite3.connect(tmp_path / "sub" / "verdicts.sqlite")) as db, db:
        db.execute("UPDATE verdicts SET sentences = '[2, 1]'")
    assert kept(tmp_path).get(QUESTION, papers(3)) == {v.paper_id: v for v in verdicts()}


def test_forgetting_tells_how_many_there_were(tmp_path):
    cache = kept(tmp_path)
    cache.put(QUESTION, papers(3), verdicts())
    path = tmp_path / "sub" / "verdicts.sqlite"
    assert verdict_count(path) == 3
    assert forget_verdicts(path) == 3
    assert verdict_count(path) == 0
    assert forget_verdicts(path) == 0
