"""Only this machine's own page gets through, and what it is sent cannot run code."""

import pytest
from web_page import serving

from qa.web.security import LONGEST_BODY

QUESTION = {"question": "which papers prune?"}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil:{port}",
        "",
        "127.0.0.1:{port}.evil",
        "127.0.0.1:{port}@evil",
        "0.0.0.0:{port}",
        "[::1]:{port}",
    ],
)
def test_another_host_is_refused_on_every_request(page, host):
    host = host.format(port=page.port)
    for path in ("/", "/papers", "/static/app.js", "/no-such-page"):
        assert page.get(path, Host=host)[0] == 403
    assert page.request("POST", "/ask", QUESTION, Host=host)[0] == 403


def test_its_own_two_names_are_served(page):
    assert page.get("/")[0] == 200
    assert page.get("/", Host=f"localhost:{page.port}")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://evil.example"},
    ],
)
def test_another_site_cannot_change_anything(page, headers):
    headers = {name: value.format(port=page.port) for name, value in headers.items()}
    for path in ("/ask", "/q/x/verdict", "/q/x/delete", "/q/x/stop"):
        assert page.request("POST", path, QUESTION, **headers)[0] == 403


def test_the_page_itself_and_programs_can(page):
    own = {"Origin": f"http://127.0.0.1:{page.port}", "Sec_Fetch_Site": "same-origin"}
    assert page.request("POST", "/ask", QUESTION, **own)[0] == 303
    assert page.request("POST", "/ask", QUESTION)[0] == 303


def test_reading_changes_nothing(page):
    for path in ("/ask", "/q/x/verdict", "/q/x/undo", "/q/x/delete", "/q/x/stop", "/q/x/read-on"):
        assert page.get(path)[0] in {404, 405}
    assert page.request("PUT", "/", "x")[0] == 405


@pytest.mark.parametrize("path", ["/", "/papers", "/static/app.js", "/no-such-page", "/q/none"])
def test_every_response_carries_the_policy(page, path):
    headers = page.get(path)[1]
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_too_long_requests_are_refused(page):
    assert page.request("POST", "/ask", "question=" + "x" * LONGEST_BODY)[0] == 413
    status, _, text = page.post("/ask", question="x" * 20_000)
    assert status == 400
    assert "question" in text.lower()
    assert page.post("/ask", question=" ")[0] == 400


def test_the_address_is_the_first_line_and_a_wrong_corpus_is_told_at_once(page_environment, qa):
    done = qa("web", "--corpus", "/no/such/folder", "--no-open")
    assert done.exit_code == 1
    assert "/no/such/folder" in done.stderr


def test_a_port_that_is_taken_is_told(page, qa):
    done = qa("web", "--port", page.port, "--no-open")
    assert done.exit_code == 1
    assert "Choose another --port" in done.stderr


def test_hostile_titles_are_text(page_environment, tmp_path):
    corpus = tmp_path / "hostile"
    corpus.mkdir()
    title = '<script>document.title="owned"</script> \x1b[31m "onload=x \u202eabc'
    abstract = (
        "We prune networks <img src=x onerror=alert(1)> until nothing is left of them at all."
    )
    (corpus / "p.csv").write_text(
        "title,abstract,url\n"
        + ",".join(f'"{text.replace(chr(34), chr(34) * 2)}"' for text in (title, abstract))
        + ",javascript:alert(1)\n",
        encoding="utf-8",
    )
    with serving("--corpus", corpus) as page:
        path = page.ask("which papers prune <b>networks</b>?")
        for shown in ("/", path, "/papers"):
            _, _, text = page.get(shown)
            assert "<script>document" not in text
            assert "<img" not in text
            assert "<b>networks" not in text
            assert "\x1b" not in text
            assert "\u202e" not in text
        assert "&lt;script&gt;" in page.get("/papers")[2]
        paper = page.get("/papers")[2].split('href="/papers/')[1].split('"')[0]
        assert 'href="javascript' not in page.get(f"/papers/{paper}")[2]
