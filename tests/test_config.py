from pathlib import Path

import pytest

from qa.config import Config, bundled
from qa.errors import ConfigError


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


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf"])
def test_nonsense_timeout_is_refused(value):
    with pytest.raises(ConfigError, match="QA_TIMEOUT"):
        Config.from_env({"QA_TIMEOUT": value})


def test_a_chroma_server_may_have_tenants_and_databases():
    config = Config.from_env({"QA_CHROMA_TENANT": "our-group", "QA_CHROMA_DATABASE": "papers"})
    assert (config.chroma_tenant, config.chroma_database) == ("our-group", "papers")
    assert (Config.from_env({}).chroma_tenant, Config.from_env({}).chroma_database) == (None, None)
