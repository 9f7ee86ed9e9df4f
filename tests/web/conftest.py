"""One running page and one browser for the tests of a module."""

import shutil

import pytest
from web_page import chromium, serving


@pytest.fixture(scope="module")
def page_environment(seeds_store, weights_folder, tmp_path_factory):
    """The environment of a user with the seeds' store built, for a whole module."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(seeds_store, folder / "stores")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QA_STORE", str(folder / "stores"))
        patch.setenv("QA_CACHE", str(weights_folder))
        patch.setenv("QA_MODEL", "none")
        yield patch


@pytest.fixture(scope="module")
def page(page_environment):
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running
