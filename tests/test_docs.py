"""README and docs/ are true: their commands run, their outputs are the program's, nothing lacks."""

import json
import re
import shlex
import tomllib
from contextlib import suppress
from html import unescape
from itertools import takewhile
from urllib.parse import unquote

import paths
import pytest
import refresh
import typer
from documentation import (
    NOT_RUN,
    PAGES,
    Desk,
    blocks,
    comparable,
    extras,
    outputs,
    without_installation,
)
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from scripted_model import labelled
from typer.main import get_command

from qa.cli.app import app
from qa.config import APP, Config

README = paths.README.read_text(encoding="utf-8")
TEXTS = {page.relative_to(paths.ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
CONTRIBUTING = paths.ROOT / "CONTRIBUTING.md"
PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BACKPROP = "which papers train without backprop?"
SET_UP = f'pip install . && ask "{BACKPROP}"'
TEST_SET_UP = 'pip install -e ".[test]" && pytest'
LANGUAGES = {"console", "text", "python", "json", "jsonc", "toml", ""}


def names(pages):
    return [page.name for page in pages]


def commands(pages=PAGES):
    return [command for page in pages for block in blocks(page) for command in block.commands]


def words_of_programs(command):
    """The words of each `ask` and `qa` in the command line, beginning with the name below `qa`."""
    for part in re.split(r"&&|\|", command):
        words = [word for word in shlex.split(part) if not re.match(r"[A-Z_]+=", word)]
        words = list(takewhile(lambda word: word not in {">", "2>"}, words))
        if words[:1] == ["ask"]:
            yield words
        elif words[:1] == ["qa"]:
            yield words[1:]


@pytest.fixture
def desk(tmp_path, environment, seeds_store, weights_folder):
    with Desk(tmp_path / "desk", store=seeds_store, weights=weights_folder) as desk:
        yield desk


# Commands and what they print


LONG = {"models.md", "evaluation.md"}  # pages whose commands read many papers


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if page.name in LONG else [], id=page.name)
        for page in PAGES
    ],
)
def test_commands_of_the_page_run_and_print_what_it_shows(desk, page):
    for block, run in outputs(page, desk):
        assert run, f"no command of {page.name} prints this: {block.text}"
        assert comparable(run.output) == comparable(block.text)


def test_a_command_that_fails_is_noticed(desk, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ qa show nothing\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="No paper"):
        outputs(page, desk)


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=names([*PAGES, CONTRIBUTING]))
def test_every_block_is_of_a_kind_that_is_checked(page):
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(blocks(page))
    assert {block.language for block in blocks(page)} <= LANGUAGES
    diagrams = [block.text for block in blocks(page) if not block.language]
    assert not re.search(r"^ *\$ ", "".join(diagrams), re.MULTILINE)


def test_only_commands_that_are_in_a_page_are_left_out_of_running():
    shown = {without_installation(command) for command in commands([*PAGES, CONTRIBUTING])}
    assert set(NOT_RUN) <= shown


@pytest.mark.parametrize("command", sorted({*commands(), *commands([CONTRIBUTING])}))
def test_every_command_exists_with_its_options(command):
    for name, *words in words_of_programs(command):
        known = get_command(app).commands[name]
        with suppress(typer.Exit):  # --version is answered at once
            known.make_context(name, words)  # raises for what it does not know


def test_commands_in_tables_exist_with_their_options():
    for text in TEXTS.values():
        for code in re.findall(r"^\| .*`(qa [^`]*)` \|$", text, re.MULTILINE):
            for name, *words in words_of_programs(code):
                get_command(app).commands[name].make_context(name, words)


def test_every_format_of_the_table_is_read(desk):
    table = TEXTS["docs/formats.md"]
    commands = re.findall(r"^\| .*`(qa rebuild [^`]*)` \|$", table, re.MULTILINE)
    plain = [command for command in commands if "--column" not in command]
    files = [file for command in plain for file in command.split()[2:]]
    assert len(files) > 8
    for command in [f"qa rebuild {' '.join(files)}", *sorted({*commands} - {*plain})]:
        run = desk.run(command)
        assert run.exit_code == 0, run.output
        built = re.findall(r"Vector store: [1-9]", run.output)
        assert len(built) == (len(files) if "--column" not in command else 1)


# The two commands of the set-up


def test_the_set_up_commands_name_what_the_project_has():
    assert commands([paths.README])[:2] == [SET_UP, TEST_SET_UP]
    assert PROJECT["scripts"].keys() >= {"ask", "qa"}
    test_extra = PROJECT["optional-dependencies"]["test"]
    assert any(requirement.startswith("pytest") for requirement in test_extra)


def test_ci_installs_and_tests_by_the_readmes_command():
    steps = (paths.ROOT / ".ci" / "run").read_text(encoding="utf-8").replace(" --quiet", "")
    install, tests = TEST_SET_UP.split(" && ")
    lines = steps.splitlines()
    assert install in lines
    assert tests in [line.removesuffix(" -q") for line in lines[lines.index(install) :]]


def test_every_extra_that_is_named_exists():
    named = set(re.findall(r"\.\[(\w+)\]", "".join(commands([*PAGES, CONTRIBUTING]))))
    assert {"dev", "local", "mcp", "otel", "test"} <= named <= extras()


def test_what_is_needed_is_what_the_project_says():
    assert PROJECT["requires-python"] == ">=3.11"
    assert "Python 3.11 or newer" in README


@pytest.mark.parametrize("system", [Unix, MacOS])
def test_data_lies_where_the_readme_says(monkeypatch, system):
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    places = system(appname=APP)
    for folder in (places.user_data_dir, places.user_cache_dir):
        assert f"`{folder.replace('/home/me', '~')}`" in README


# What the README says of the first answer


def test_mistakes_of_the_first_answer_are_those_that_the_readme_names(seeds, qa):
    papers = json.loads(qa("ask", BACKPROP, "--json").stdout)["papers"]
    right = set(labelled()[BACKPROP]["relevant"])
    wrong = [f"[{paper['n']}]" for paper in papers if paper["title"] not in right]
    found = len(papers) - len(wrong)
    numbers = {2: "Two", 11: "Eleven"}
    told = f"{numbers[len(wrong)]} of the {len(papers)} are mistakes: {' and '.join(wrong)}"
    assert told in README
    assert f"{numbers[len(right) - found]} papers\nof the 558" in README


# Completeness


def test_readme_is_short():
    assert len(README.splitlines()) <= 250


def test_every_page_is_linked_in_the_readme():
    for name in TEXTS:
        assert name == "README.md" or f"({name})" in README


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, CONTRIBUTING], ids=names([*PAGES, CONTRIBUTING]))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            name, _, anchor = unquote(target).partition("#")
            file = (page.parent / name) if name else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def test_every_command_is_in_the_docs():
    for name in get_command(app).commands:
        assert f"`qa {name}" in TEXTS["docs/commands.md"]


def test_every_option_is_in_the_docs():
    everything = "".join(TEXTS.values())
    for command in get_command(app).commands.values():
        for param in command.params:
            for option in param.opts:
                if option.startswith("--"):
                    assert option in everything, option
    for param in get_command(app).commands["ask"].params:
        for option in param.opts:
            if option.startswith("--") and option not in {"--version", "--help"}:
                assert option in TEXTS["docs/commands.md"], option


def test_every_setting_is_in_the_docs():
    source = (paths.ROOT / "qa" / "config.py").read_text(encoding="utf-8")
    settings = set(re.findall(r'"((?:QA|OPENAI)_[A-Z_]+)"', source))
    page = TEXTS["docs/commands.md"]
    assert len(settings) > 8
    assert {name for name in settings if f"`{name}`" not in page} == set()
    assert Config.from_env({}).embed_model in page


@pytest.mark.parametrize(
    ("heading", "part"),
    [
        ("## The document", lambda document: document),
        ("## `papers[]` and `nearest[]`", lambda document: document["papers"][0]),
        ("## `papers[].evidence[]`", lambda document: document["papers"][0]["evidence"][0]),
        ("## `coverage`", lambda document: document["coverage"]),
        ("## `usage`", lambda document: document["usage"]),
    ],
)
def test_tables_of_the_json_page_have_the_keys_that_ask_prints(seeds, qa, heading, part):
    table = TEXTS["docs/json.md"].partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert told == part(json.loads(qa("ask", BACKPROP, "--json").stdout)).keys()


# The picture


def shown_by(svg):
    """The text of the picture, without spaces."""
    pieces = re.findall(r"<text [^>]*clip-path[^>]*>(.*?)</text>", svg)
    return "".join("".join(map(unescape, pieces)).split())


def test_the_picture_is_of_what_the_program_prints(desk):
    picture = refresh.PICTURE.read_text(encoding="utf-8")
    printed = desk.run(refresh.PICTURED).output
    assert shown_by(picture) == "".join(f"$ {refresh.PICTURED}{printed}".split())
    assert shown_by(refresh.draw(desk)) == shown_by(picture)
    assert "(docs/ask.svg)" in README


def test_the_picture_loads_nothing():
    picture = refresh.PICTURE.read_text(encoding="utf-8")
    assert re.findall(r"@import|@font-face|href|src=|url\((?!#)|<script", picture) == []
