import pytest

from qa.errors import PromptError
from qa.llm.prompts import VARIABLES, load_prompt


@pytest.mark.parametrize("name", VARIABLES)
def test_bundled_prompt_uses_exactly_its_variables(name):
    prompt = load_prompt(name, None)
    filled = prompt.fill(**dict.fromkeys(VARIABLES[name], "VALUE"))
    assert "$" not in filled
    assert ("VALUE" in filled) == bool(VARIABLES[name])


def test_a_file_of_the_same_name_replaces_the_bundled_prompt(tmp_path):
    (tmp_path / "judge.user.txt").write_text("$question $papers $count, for $$5")
    prompt = load_prompt("judge.user", tmp_path)
    assert prompt.fill(question="q", papers="p", count="2") == "q p 2, for $5"
    assert load_prompt("judge.system", tmp_path) == load_prompt("judge.system", None)


@pytest.mark.parametrize("text", ["$question", "$question $papers $count $more", "costs $5"])
def test_wrong_variables_are_refused_by_name(tmp_path, text):
    (tmp_path / "judge.user.txt").write_text(text)
    with pytest.raises(PromptError, match=r"judge\.user\.txt must use \$count, \$papers"):
        load_prompt("judge.user", tmp_path)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(PromptError, match="QA_PROMPTS"):
        load_prompt("judge.user", tmp_path / "none")


def test_values_are_inserted_as_they_are():
    text = load_prompt("judge.user", None).fill(question="$papers", papers="$count", count="1")
    assert "Question: $papers" in text


@pytest.mark.parametrize("name", ["judge_user.txt", "judge.user"])
def test_a_text_that_replaces_no_prompt_is_refused_with_the_right_names(tmp_path, name):
    (tmp_path / name).write_text("$question $papers $count")
    (tmp_path / "notes.md").write_text("of no concern")
    with pytest.raises(PromptError, match=rf"{name} replaces no prompt.* judge\.user\.txt"):
        load_prompt("judge.system", tmp_path)
