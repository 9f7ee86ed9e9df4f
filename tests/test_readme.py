"""The README is true: its commands exist, its outputs are the program's, its tables complete."""

import json
import os
import re
import shlex
import subprocess
import sys

import paths
import pytest
from typer.main import get_command

from qa.cli.app import app
from qa.config import Config

ROOT = paths.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")
BACKPROP = 'ask "which papers train without backprop?"'


def block_after(marker):
    """The text block that follows a comment in the README."""
    return re.search(rf"<!-- {re.escape(marker)} -->\n```text\n(.*?)```", README, re.DOTALL)[1]


def commands():
    """Every `ask` and `qa` command in the README's console blocks, as words."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            for part in line.partition(" #")[0].split(" && "):
                words = [w for w in shlex.split(part) if not re.match(r"[A-Z_]+=", w)]
                if words and words[0] in {"ask", "qa"}:
                    yield words if words[0] == "qa" else ["qa", *words]


def squeezed(text):
    return " ".join(text.split())


def test_two_commands_do_all_the_set_up():
    assert f"pip install . && {BACKPROP}" in README
    assert 'pip install -e ".[test]" && pytest' in README


def test_first_output_is_the_programs_own(seeds, qa):
    shown = [squeezed(part) for part in block_after(f"output: {BACKPROP}").split("…\n")]
    printed = squeezed(qa(*shlex.split(BACKPROP)).stdout)
    assert shown[0]
    place = 0
    for part in shown:
        place = printed.index(part, place)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_of_the_readme_exists_with_its_options(words):
    command = get_command(app).commands[words[1]]
    known = {option for param in command.params for option in param.opts + param.secondary_opts}
    assert {word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)} <= known


def test_every_command_is_in_the_readme():
    for name in get_command(app).commands:
        assert f"`qa {name}" in README


def test_every_option_of_ask_is_in_the_readme():
    for param in get_command(app).commands["ask"].params:
        for option in param.opts:
            if option.startswith("--") and option not in {"--version", "--help"}:
                assert option in README, option


def test_every_setting_is_in_the_readme():
    source = (ROOT / "qa" / "config.py").read_text(encoding="utf-8")
    names = set(re.findall(r'"((?:QA|OPENAI)_[A-Z_]+)"', source))
    assert len(names) > 8
    assert {name for name in names if f"`{name}`" not in README} == set()
    assert Config.from_env({}).embed_model in README


def test_json_of_the_readme_has_the_keys_that_ask_prints(seeds, qa):
    told = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])
    printed = json.loads(qa("ask", "which papers train without backprop?", "--json").stdout)
    assert told.keys() == printed.keys()
    assert told["papers"][0].keys() == printed["papers"][0].keys()
    evidence = printed["papers"][0]["evidence"][0]
    assert told["papers"][0]["evidence"][0].keys() == evidence.keys()
    for part in ("coverage", "usage", "seconds"):
        assert told[part].keys() == printed[part].keys()


@pytest.mark.parametrize(
    ("marker", "words"), [("eval gold", "--judge gold"), ("eval none", "--no-model")]
)
def test_figures_of_the_readme_are_measured(seeds, qa, marker, words):
    shown = block_after(marker)
    assert shown.startswith(f"$ qa eval tests/seed_questions.jsonl {words}\n")
    done = qa("eval", "tests/seed_questions.jsonl", *words.split())
    assert squeezed(shown.partition("\n")[2]) == squeezed(done.stdout)


def python_blocks():
    """Every Python block, with the output that follows it, if any."""
    pattern = r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?"
    return re.findall(pattern, README, re.DOTALL)


@pytest.mark.parametrize(("code", "output"), python_blocks())
def test_every_python_block_runs_and_prints_what_follows_it(environment, code, output):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if output:
        assert squeezed(done.stdout) == squeezed(output)
