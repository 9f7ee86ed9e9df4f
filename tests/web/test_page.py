"""The page in a real Chromium: ask, judge by keys, undo, reload, save, table, 360 px, keyboard."""

import json
import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from web_page import every, one, until

BACKPROP = "which papers train without backprop?"


def press(browser, key):
    browser.switch_to.active_element.send_keys(key)


def ask(browser, page, question=BACKPROP):
    browser.get(page.address)
    one(browser, "#question").send_keys(question)
    one(browser, "button[type=submit]").click()
    until(browser, lambda b: every(b, ".paper"))
    return browser.current_url


def focused(browser):
    return browser.switch_to.active_element.get_attribute("data-paper")


def summary(browser):
    return one(browser, ".undo .dim").text


@pytest.fixture
def asked(browser, page):
    url = ask(browser, page)
    yield url
    path = url.partition(f":{page.port}")[2].partition("#")[0]
    for _ in range(5):  # more verdicts than any test gives
        page.post(f"{path}/undo")


def test_without_a_model_the_nearest_papers_are_shown(browser, asked):
    assert "nearest by score" in one(browser, ".line").text
    assert len(every(browser, ".paper")) == 20
    assert not every(browser, "script:not([src])")


def test_a_reader_judges_by_keys_and_the_next_best_paper_follows(browser, asked):
    press(browser, "j")
    first = focused(browser)
    assert first
    press(browser, "y")
    until(browser, lambda b: "You have judged 1 paper: 1 answer." in summary(b))
    assert focused(browser) not in {first, None}
    assert one(browser, f'[data-paper="{first}"] .badge').text == "you: yes"
    press(browser, "n")
    until(browser, lambda b: "You have judged 2 papers: 1 answer." in summary(b))
    press(browser, "u")
    until(browser, lambda b: "You have judged 1 paper" in summary(b))


def test_verdicts_outlive_a_reload(browser, asked):
    press(browser, "j")
    press(browser, "y")
    until(browser, lambda b: "1 paper" in summary(b))
    browser.refresh()
    assert "You have judged 1 paper: 1 answer." in summary(browser)


def test_the_reader_can_save_what_was_found(browser, asked, page):
    press(browser, "j")
    press(browser, "y")
    until(browser, lambda b: "1 paper" in summary(b))
    title = one(browser, ".paper.yes h3 a").text
    path = asked.partition(f":{page.port}")[2]
    document = json.loads(page.get(f"{path}/export/json")[2])
    assert [paper["title"] for paper in document["papers"]] == [title]
    assert document["papers"][0]["by_reader"] is True
    for form in ("bibtex", "ris", "csv", "markdown", "html"):
        status, headers, text = page.get(f"{path}/export/{form}")
        assert (status, title in text.replace("{", "").replace("}", "")) == (200, True), form
        assert "attachment" in headers["content-disposition"]
    assert page.get(f"{path}/export/docx")[0] == 404


def test_more_papers_can_be_shown(browser, asked):
    one(browser, ".more").click()
    until(browser, lambda b: len(every(b, ".paper")) == 40)


def test_the_list_can_be_sorted(browser, asked):
    one(browser, "[data-sort=title]").click()
    until(browser, lambda b: one(b, "[data-sort=title]").get_attribute("aria-current"))
    titles = [title.text.partition("] ")[2].lower() for title in every(browser, ".paper h3")]
    titles = [title for title in titles if title]
    assert titles == sorted(titles)
    assert len(titles) > 5


def test_it_works_by_the_keyboard_alone(browser, page):
    browser.get(page.address)
    press(browser, "which papers prune networks?")
    for _ in range(9):
        press(browser, Keys.TAB)
        if browser.switch_to.active_element.text == "Ask":
            break
    press(browser, Keys.ENTER)
    until(browser, lambda b: every(b, ".paper"))
    press(browser, "j")
    assert focused(browser)


def test_history_is_listed_and_deleted(browser, page):
    ask(browser, page, "which papers are about chess?")
    browser.get(page.address)
    titles = [link.text for link in every(browser, ".history a")]
    assert "which papers are about chess?" in titles
    button = one(browser, "[aria-label='Delete “which papers are about chess?”']")
    button.click()
    until(browser, lambda b: "chess" not in one(b, "main").text)


def test_papers_are_searched_filtered_and_paged(browser, page):
    browser.get(page.address + "papers")
    assert "558 papers" in one(browser, "main").text
    assert len(every(browser, ".listing li")) == 50
    one(browser, "[rel=next]").click()
    until(browser, lambda b: "Page 2 of 12" in one(b, "main").text)
    one(browser, "#q").send_keys("forward-forward algorithm")
    one(browser, "button[type=submit]").click()
    until(browser, lambda b: "the nearest first" in one(b, "main").text)
    one(browser, ".listing a").click()
    until(browser, lambda b: every(b, "dl"))
    assert "Forward" in one(browser, "h1").text


def test_nothing_is_loaded_from_elsewhere(browser, page, asked):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert urls
    assert all(url.startswith((page.address, "data:")) for url in urls)
    assert browser.get_log("browser") == []  # no refusal by the policy, no error


def test_the_page_is_light(page):
    sizes = [len(page.get(path)[2]) for path in ("/", "/static/style.css", "/static/app.js")]
    assert sum(sizes) <= 60_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_no_page_breaks_a_rule_of_accessibility(browser, page, asked, scheme, width):
    from axe_core_python.selenium import Axe

    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for url in (page.address, asked, page.address + "papers", asked + "/table"):
            browser.get(url)
            found = Axe().run(browser)["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, url
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.get(asked)


def test_a_table_has_a_proof_for_each_cell(browser, asked):
    one(browser, "a[href$='/table']").click()
    until(browser, lambda b: every(b, "#column"))
    one(browser, "#column").send_keys("Code: is the code released?")
    one(browser, ".column button").click()
    until(browser, lambda b: every(b, "button.cell"))
    next(cell for cell in every(browser, "button.cell") if cell.text == "near").click()
    card = next(card for card in every(browser, ".card") if card.is_displayed())
    assert card.find_element(By.TAG_NAME, "h3").text == "Code"
    assert card.find_element(By.TAG_NAME, "p").text


def test_a_reader_corrects_a_cell(browser, asked):
    browser.get(asked + "/table")
    if not every(browser, "th form"):
        one(browser, "#column").send_keys("Method")
        one(browser, ".column button").click()
        until(browser, lambda b: every(b, "button.cell"))
    one(browser, "button.cell").click()
    card = next(card for card in every(browser, ".card") if card.is_displayed())
    abstract = card.find_element(By.TAG_NAME, "details")
    abstract.find_element(By.TAG_NAME, "summary").click()
    words = re.search(r"[a-z]{3,} [a-z]{3,}", abstract.find_element(By.TAG_NAME, "p").text)[0]
    card.find_element(By.CSS_SELECTOR, "input[name=words]").send_keys(words)
    card.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    until(browser, lambda b: every(b, "button.cell .badge"))
    assert words in one(browser, "button.cell").text
