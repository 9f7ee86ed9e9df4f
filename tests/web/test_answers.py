"""The page with a chat model: progress, the written answer with cards, stop, read on, many tabs."""

import concurrent.futures
import json
import re
import threading
import time

import pytest
from chat_server import ChatServer, Status
from scripted_model import LabelModel, labelled
from selenium.webdriver.common.by import By
from web_page import every, one, serving, until

from qa.config import configured
from qa.library.opening import open_library

BACKPROP = "which papers train without backprop?"


class SlowModel(LabelModel):
    """Judges by the labels; each judging call waits while `gate` is closed."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = 0

    def __call__(self, body):
        if "Judge these" in body["messages"][-1]["content"]:
            self.waiting += 1
            self.gate.wait(20)
        return super().__call__(body)


@pytest.fixture(scope="module")
def model():
    return SlowModel()


@pytest.fixture(scope="module")
def server(model):
    with ChatServer(model=model, models=["scripted"]) as running:
        yield running


@pytest.fixture(scope="module")
def page(page_environment, server, tmp_path_factory):
    page_environment.setenv("QA_MODEL", "scripted")
    page_environment.setenv("OPENAI_BASE_URL", server.url)
    page_environment.setenv("QA_TRUST_JUDGE", "1")
    with serving() as running:
        yield running


def settled(page, path):
    """Wait for a question's answer, and return its page."""
    for _ in range(600):
        text = page.get(path)[2]
        if "data-events" not in text:
            return text
        time.sleep(0.05)
    raise AssertionError("no answer came")


def test_the_written_answer_has_cards_with_the_proof(browser, page):
    browser.get(page.address + page.ask(BACKPROP).removeprefix("/"))
    until(browser, lambda b: every(b, "#papers"))
    assert "These papers qualify:" in one(browser, ".answer").text
    assert every(browser, ".curve polyline")
    one(browser, ".cite").click()
    card = next(card for card in every(browser, ".card") if card.is_displayed())
    assert card.find_element(By.TAG_NAME, "mark").text
    assert until(browser, lambda b: one(b, "#announce").get_attribute("textContent")) or True


def test_a_doubtful_sentence_is_marked_where_it_stands(page, server, model):
    server.model = lambda body: (
        model(body)
        if "Judge these" in body["messages"][-1]["content"]
        else "NoProp reaches 99.9% accuracy [1]. It is new [99]."
    )
    try:
        text = settled(page, page.ask(BACKPROP))
    finally:
        server.model = model
    answer = text.split('class="answer"')[1].split("</div>")[0]
    assert answer.count('class="doubt"') == 2
    assert "99.9" in answer.split('class="doubt"')[1]


def test_a_reading_can_be_stopped_and_gone_on_with(page, model):
    question = "which papers prune or sparsify networks?"
    model.gate.clear()
    before = model.waiting
    path = page.ask(question)
    while model.waiting == before:
        time.sleep(0.02)
    assert page.get(path)[2].count("data-events") == 1
    assert page.post(f"{path}/stop")[0] == 303
    model.gate.set()
    text = settled(page, path)
    assert "Read on" in text
    assert page.post(f"{path}/read-on")[0] == 303
    assert "Read " in settled(page, path)


def test_progress_comes_as_events_and_ends(page):
    path = page.ask("which papers study graph networks?")
    events = page.get(f"{path}/events")[2]
    assert "event: done" in events
    for line in events.splitlines():
        if line.startswith("data: "):
            json.loads(line.removeprefix("data: "))


def test_ten_tabs_at_once_get_the_answers_of_the_command(page, page_environment):
    questions = [q for q, entry in labelled().items() if entry["type"] == "set"][:10]
    with concurrent.futures.ThreadPoolExecutor(10) as threads:
        paths = list(threads.map(page.ask, questions))
        list(threads.map(lambda path: settled(page, path), paths))
    with open_library(configured()) as library:
        for question, path in zip(questions, paths, strict=True):
            shown = json.loads(page.get(f"{path}/export/json")[2])
            asked = library.ask(question)
            assert shown["question"] == question
            assert {p["id"] for p in shown["papers"]} == {p.id for p in asked.papers}


def test_a_server_that_fails_leaves_the_answer_by_score_and_says_why(page, server, model):
    server.model = lambda _: Status(401, "wrong key")
    try:
        text = settled(page, page.ask("which papers are about robots?"))
    finally:
        server.model = model
    assert "Nearest by score" in text
    assert re.search(r"key|401", text)


def test_an_earlier_answer_opens_without_a_call(page, server):
    path = page.ask(BACKPROP)
    settled(page, path)
    calls = len(server.bodies)
    assert "These papers qualify" in page.get(path)[2]
    assert len(server.bodies) == calls
    assert "Reading log:" in page.get(path)[2]


def test_the_readers_verdict_counts_above_the_models(page):
    path = page.ask(BACKPROP)
    text = settled(page, path)
    first = text.split('data-paper="')[1].split('"')[0]
    page.post(f"{path}/verdict", paper=first, verdict="no")
    try:
        ids = {p["id"] for p in json.loads(page.get(f"{path}/export/json")[2])["papers"]}
        assert ids
        assert first not in ids
        assert "you: no" in page.get(path)[2]
    finally:
        page.post(f"{path}/undo")


def test_a_number_that_the_answer_cites_is_given_to_no_other_paper(page):
    path = page.ask(BACKPROP)
    settled(page, path)
    cited = json.loads(page.get(f"{path}/export/json")[2])["papers"]
    unread = page.get(path)[2].split('id="next"')[1].split('data-paper="')[1].split('"')[0]
    page.post(f"{path}/verdict", paper=cited[0]["id"], verdict="no")
    page.post(f"{path}/verdict", paper=unread, verdict="yes")
    try:
        numbers = {
            p["id"]: p["n"] for p in json.loads(page.get(f"{path}/export/json")[2])["papers"]
        }
        assert cited[0]["id"] not in numbers
        assert numbers[unread] not in {paper["n"] for paper in cited}
    finally:
        page.post(f"{path}/undo")
        page.post(f"{path}/undo")


def test_a_verdict_on_no_paper_or_of_no_kind_is_refused(page):
    path = page.ask(BACKPROP)
    settled(page, path)
    assert page.post(f"{path}/verdict", paper="zzz", verdict="yes")[0] == 400
    assert page.post(f"{path}/verdict", paper="307daceb1bb8", verdict="maybe")[0] == 400
    assert page.post("/q/nothing/verdict", paper="307daceb1bb8", verdict="yes")[0] == 404


def test_verdicts_and_questions_outlive_the_program(page, page_environment):
    path = page.ask(BACKPROP)
    settled(page, path)
    page.post(f"{path}/verdict", paper="307daceb1bb8", verdict="partly")
    with serving() as again:
        text = again.get(path)[2]
        assert "you: partly" in text
        again.post(f"{path}/undo")
        assert "you: partly" not in again.get(path)[2]
