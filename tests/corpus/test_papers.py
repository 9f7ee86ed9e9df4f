from hypothesis import given
from hypothesis import strategies as st

from qa.corpus.papers import Record, as_paper, paper_id, title_key


def test_titles_without_letters_still_get_ids_of_their_own():
    assert paper_id("???") != paper_id("!!!")


@given(st.text())
def test_title_key_of_a_key_is_the_key(title):
    assert title_key(title_key(title)) == title_key(title)


def test_link_prefers_the_papers_own_url():
    def link(**known):
        return as_paper(Record("A Title", "An abstract.", "a.txt", **known)).link

    assert link(doi="10.1/x", arxiv_id="2401.1", url="https://a.b") == "https://a.b"
    assert link(doi="10.1/x") == "https://doi.org/10.1/x"
    assert link(arxiv_id="2401.1") == "https://arxiv.org/abs/2401.1"
    assert link() is None
