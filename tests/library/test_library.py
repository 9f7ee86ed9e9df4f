"""The Python API: the same answers, events and errors as the commands, sync and async."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from chat_server import ChatServer
from scripted_model import LabelModel

import qa as package
from qa.answering.judge import Judged
from qa.config import configured
from qa.library.waiting import run
from qa.retrieval.relevance import Relevance, Verdict

BACKPROP = "which papers train without backprop?"


@pytest.fixture
def asked(environment, small_corpus):
    environment.setenv("QA_CORPUS", str(small_corpus))
    return small_corpus


def test_ask_gives_the_document_that_the_command_prints(seeds, qa):
    printed = json.loads(qa("ask", BACKPROP, "--json").stdout)
    answer = package.ask(BACKPROP)
    assert [paper.id for paper in answer.papers] == [paper["id"] for paper in printed["papers"]]
    assert answer.answer == printed["answer"]
    assert answer.outcome == printed["outcome"]


def test_ask_builds_the_store_of_a_new_corpus_and_says_so(environment, small_corpus):
    notices, stages = [], []
    answer = package.ask(
        "how much do balcony tomatoes yield?",
        corpus=small_corpus,
        on_notice=notices.append,
        on_progress=stages.append,
    )
    assert answer.papers[0].title == "Growing Tomatoes on Balconies"
    assert notices[0].startswith("Building the vector store")
    assert {type(stage) for stage in stages} == {package.Progress}


def test_notices_are_logged_where_nobody_listens(asked, caplog):
    with caplog.at_level(logging.WARNING, logger="qa"):
        package.rebuild()
        (asked / "more.txt").write_text("", encoding="utf-8")
        package.search("tomatoes")
    assert "The corpus has changed" in caplog.text


def test_async_functions_give_the_same(asked):
    async def everything():
        report = await package.arebuild()
        found = await package.asearch("sourdough")
        answer = await package.aask("how is sourdough fermented?")
        return report, found, answer

    report, found, answer = asyncio.run(everything())
    assert report.papers == 3
    assert found == package.search("sourdough")
    assert answer.papers == package.ask("how is sourdough fermented?").papers


def test_sync_functions_work_where_an_event_loop_runs(asked):
    async def notebook_cell():
        return package.ask("how is sourdough fermented?")

    assert asyncio.run(notebook_cell()).papers


def test_events_are_those_of_the_command(seeds):
    heard = []
    with ChatServer(model=LabelModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        with package.open_corpus() as library:
            answer = library.ask(BACKPROP, on_event=heard.append)
    assert isinstance(heard[0], package.Ranked)
    rounds = [event for event in heard if isinstance(event, package.RoundRead)]
    assert [event.coverage.rounds for event in rounds] == list(range(1, len(rounds) + 1))
    pieces = [event.text for event in heard if isinstance(event, package.Piece)]
    assert "".join(pieces).strip() == answer.answer


def test_a_cancelled_question_calls_the_model_no_more(asked):
    arrived, release = threading.Event(), threading.Event()

    def holding(_):
        arrived.set()
        assert release.wait(30)
        return "{}"

    async def cancelled_at_the_first_call(library):
        task = asyncio.create_task(library.aask("how is sourdough fermented?"))
        await asyncio.to_thread(arrived.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        assert asyncio.all_tasks() == {asyncio.current_task()}  # nothing works on behind our back

    with ChatServer(model=holding) as server:
        with package.open_corpus(model="m", config=_config(server.url)) as library:
            asyncio.run(cancelled_at_the_first_call(library))
            known = len(server.requests)
            assert library.search("sourdough").papers  # and the library still serves
        assert len(server.requests) == known


def _config(url):
    return replace(configured(), base_url=url)


def test_ten_questions_at_once_are_answered_as_one_by_one(seeds):
    questions = [
        BACKPROP,
        "which papers estimate depth from a single image?",
        "how does the forward-forward algorithm work?",
        "what is the weather like on Mars?",
    ]

    async def together(library):
        return await asyncio.gather(*(library.aask(text) for text in (questions * 3)[:10]))

    with package.open_corpus() as library:
        alone = [library.ask(text) for text in questions]
        for one, answer in zip((alone * 3)[:10], asyncio.run(together(library)), strict=True):
            assert (answer.papers, answer.answer) == (one.papers, one.answer)


def test_errors_are_those_of_the_command(environment, tmp_path):
    with pytest.raises(package.QAError, match="nowhere"):
        package.ask("anything?", corpus=tmp_path / "nowhere")


def test_columns_of_a_table_can_be_named(environment, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("Name,Text\nOn Tides,Tides rise and fall twice a day.\n", encoding="utf-8")
    report = package.rebuild(table, columns={"title": "Name", "abstract": "Text"})
    assert report.papers == 1


def test_every_public_name_is_there():
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = package.nonsense


def test_importing_the_package_loads_none_of_its_modules():
    script = "import sys; import qa; print([name for name in sys.modules if name[:3] == 'qa.'])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_closed_library_says_so(asked):
    with package.open_corpus() as library:
        pass
    with pytest.raises(package.QAError, match="closed"):
        library.ask("anything?")
    library.close()  # twice does no harm


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"question": " "}, "empty"),
        ({"question": "x" * 3000}, "3,000 characters"),
        ({"question": None}, "not a text"),
        ({"limits": 5}, "Limits"),
        ({"filters": {"years": "2021-"}}, "Filters"),
        ({"corpus": ""}, "empty name"),
    ],
)
def test_what_cannot_be_asked_says_so(asked, wrong, told):
    with pytest.raises(package.QAError, match=told):
        package.ask(**{"question": "which papers?", **wrong})


def test_a_search_for_no_papers_says_so(asked):
    with pytest.raises(package.QAError, match="1 or more"):
        package.search("tomatoes", limit=0)


@pytest.mark.parametrize(
    "limits", [{"papers": 0}, {"tokens": -1}, {"quick": True, "exhaustive": True}]
)
def test_limits_that_make_no_sense_are_refused(limits):
    with pytest.raises(package.QAError):
        package.Limits(**limits)


@pytest.mark.parametrize("filters", [{"years": ("2021-",)}, {"authors": "lindqvist"}])
def test_filters_of_the_wrong_kind_are_refused_with_the_right_way(filters):
    with pytest.raises(package.QAError, match="Filters takes tuples"):
        package.Filters(**filters)


def test_filters_are_parsed_from_text():
    assert package.Filters.parse(years="2021-", authors=["Bengio, Yoshua"]) == package.Filters(
        years=((2021, 9999),), authors=("Yoshua Bengio",)
    )


@pytest.mark.parametrize(
    "loop", ["asyncio.run(cell())", "asyncio.new_event_loop().run_until_complete(cell())"]
)
def test_ctrl_c_in_a_notebook_cell_stops_the_answer(asked, loop):
    """Where an event loop runs, the answer is made in a thread, which has to stop too."""
    script = (
        "import asyncio, qa, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job has none
        "async def cell():\n"
        "    qa.ask('how is sourdough fermented?', model='m')\n"
        "try:\n"
        f"    {loop}\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    arrived, release = threading.Event(), threading.Event()

    def holding(_):
        arrived.set()
        assert release.wait(60)
        return "{}"

    package.rebuild()
    with ChatServer(model=holding) as server:
        environment = os.environ | {"OPENAI_BASE_URL": server.url}
        command = [sys.executable, "-c", script]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as cell:
            try:
                assert arrived.wait(60)
                cell.send_signal(signal.SIGINT)
                told, _ = cell.communicate(timeout=30)
            finally:
                cell.kill()
        release.set()
    assert told == "stopped\n"
    assert len(server.requests) == 1


BIBLIOGRAPHY = """
@article{a, title={Pruning networks}, author={Ada Gu}, year={2021}, abstract={We prune networks.}}
@article{b, title={Growing networks}, author={Bo Li}, year={2023}, abstract={We grow networks.}}
"""


@pytest.fixture
def bibliography(environment, tmp_path):
    path = tmp_path / "library.bib"
    path.write_text(BIBLIOGRAPHY, encoding="utf-8")
    return path


def test_a_year_in_the_question_is_a_filter_that_is_said_and_can_be_undone(bibliography):
    question = "which papers are about networks in 2023?"
    answer = package.ask(question, corpus=bibliography, model="none")
    assert answer.question == question
    assert answer.notes == ("Asked of papers of 2023.",)
    assert answer.coverage.filter == "year 2023"
    assert [paper.title for paper in answer.papers] == ["Growing networks"]
    undone = package.ask(question, corpus=bibliography, model="none", conditions=False)
    assert undone.coverage.filter is None
    found = package.search(question, corpus=bibliography)
    assert [paper.title for paper in found.papers] == ["Growing networks"]
    assert found.notes == ("Asked of papers of 2023.",)


def test_a_question_for_an_author_alone_lists_all_that_she_wrote(bibliography):
    answer = package.ask("which papers did Ada Gu write?", corpus=bibliography, model="none")
    assert [paper.title for paper in answer.papers] == ["Pruning networks"]
    assert answer.outcome == "nearest"


def test_what_scores_cannot_see_is_said(bibliography):
    answer = package.ask("which papers do not prune networks?", corpus=bibliography, model="none")
    assert "not" in answer.notes[-1]


class SureOfShortTitles:
    """Says yes to everything, and is surer the shorter a title is."""

    async def judge(self, question, papers):  # noqa: ARG002
        return Judged(
            tuple(
                Verdict(paper.id, Relevance.YES, certainty=-float(len(paper.title)))
                for paper in papers
            )
        )


def test_papers_come_in_the_order_of_the_judges_certainty(asked):
    with package.open_corpus(model="none") as library:
        finished = run(library.judged_by(SureOfShortTitles(), BACKPROP))
    lengths = [len(paper.title) for paper in finished.answer.papers]
    assert len(lengths) > 2
    assert lengths == sorted(lengths)
