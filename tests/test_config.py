from dataclasses import replace
from pathlib import Path

import pytest

from qa.config import Config, bundled, error_text
from qa.errors import Action, ConfigError, Hint, StoreDamaged, UsageError


def test_everything_has_a_default():
    config = Config.from_env({})
    assert config.corpus == bundled("seeds")
    assert (config.model, config.base_url, config.chroma_url) == (None, None, None)
    assert config.embed_model == "all-MiniLM-L6-v2"


def test_empty_values_count_as_unset():
    assert Config.from_env({"QA_MODEL": " ", "QA_CORPUS": ""}) == Config.from_env({})


def test_home_folder_is_expanded():
    assert Config.from_env({"QA_CORPUS": "~/papers"}).corpus == Path.home() / "papers"


def test_keys_never_show_in_a_repr():
    config = Config.from_env({"OPENAI_API_KEY": "sk-secret", "QA_CHROMA_TOKEN": "t-secret"})
    assert "secret" not in repr(config)


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "QA_CHROMA_URL"])
def test_url_without_scheme_is_refused_with_the_right_spelling(name):
    with pytest.raises(ConfigError, match=f"{name}=http://localhost:8080"):
        Config.from_env({name: "localhost:8080"})


@pytest.mark.parametrize("value", ["htp:/foo", "http://", "http:///v1", "ftp://localhost"])
def test_what_is_no_host_is_not_part_of_the_advice(value):
    with pytest.raises(ConfigError, match=r"OPENAI_BASE_URL=http://localhost:8000$"):
        Config.from_env({"OPENAI_BASE_URL": value})


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf"])
def test_nonsense_timeout_is_refused(value):
    with pytest.raises(ConfigError, match="QA_TIMEOUT"):
        Config.from_env({"QA_TIMEOUT": value})


def test_a_chroma_server_may_have_tenants_and_databases():
    config = Config.from_env({"QA_CHROMA_TENANT": "our-group", "QA_CHROMA_DATABASE": "papers"})
    assert (config.chroma_tenant, config.chroma_database) == ("our-group", "papers")
    assert (Config.from_env({}).chroma_tenant, Config.from_env({}).chroma_database) == (None, None)


def test_commands_name_the_corpus_unless_it_is_the_default(tmp_path):
    default = Config.from_env({"QA_CORPUS": str(tmp_path / "papers")})
    assert (default.rebuild_command, default.corpus_option) == ("qa rebuild", "")
    other = replace(default, corpus=tmp_path / "my papers")
    assert other.rebuild_command == f"qa rebuild '{tmp_path}/my papers'"
    assert other.corpus_option == f" --corpus '{tmp_path}/my papers'"
    unknown = replace(default, default_corpus=None)
    assert unknown.rebuild_command == f"qa rebuild {tmp_path}/papers"


def test_a_hint_is_worded_as_the_command_that_helps(tmp_path):
    config = Config.from_env({"QA_CORPUS": str(tmp_path)})
    assert error_text(UsageError("No question."), config) == "No question."
    lost = StoreDamaged("It is lost.", hint=Hint(Action.REBUILD, tmp_path / "a.csv"))
    assert error_text(lost, config) == (
        f"It is lost. Rebuild the store with: qa rebuild {tmp_path}/a.csv"
    )
    no_title = StoreDamaged("No title.", hint=Hint(Action.NAME_COLUMN, column="title"))
    assert error_text(no_title, config) == (
        "No title. Name the column with: qa rebuild --column title=NAME"
    )
