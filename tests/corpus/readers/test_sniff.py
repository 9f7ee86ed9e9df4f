"""The format that a file is taken for: by the most certain sign first."""

import pytest

from qa.corpus.papers import Record
from qa.corpus.readers.corpus import read_corpus
from qa.corpus.readers.sniff import TEXT_FORMATS

LONG = "We train deep networks without backpropagation and show that local errors suffice " * 4


def formats_and_titles(path):
    """The format of each file below the path, and the titles of all papers."""
    formats = {}
    entries = list(read_corpus(path).records(on_format=formats.__setitem__))
    return formats, [entry.title for entry in entries if isinstance(entry, Record)]


def test_table_with_long_cells_of_several_lines_is_no_web_page(tmp_path):
    rows = "".join(f'{n},Title {n},"{LONG}\nAlso a second line."\n' for n in range(9))
    (tmp_path / "papers.csv").write_text(f"id,title,abstract\n{rows}", encoding="utf-8")
    formats, titles = formats_and_titles(tmp_path)
    assert formats == {"papers.csv": "CSV"}
    assert titles == [f"Title {n}" for n in range(9)]


@pytest.mark.parametrize(
    "cell",
    ["TY  - JOUR", "PMID- 12345", "%0 Journal Article", "@article{a, title={x}}", "---\na: b\n---"],
)
def test_header_makes_a_table_whatever_the_cells_hold(tmp_path, cell):
    text = f'title\tabstract\nA title\t"{LONG}\n{cell}\n{LONG}"\n'
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    assert formats_and_titles(tmp_path) == ({"a.txt": "TSV"}, ["A title"])


def test_entries_above_a_line_that_looks_like_a_header_win(tmp_path):
    text = "TY  - JOUR\nTI  - A title\nN1  - as in\ntitle,abstract\na,b\nAB  - It is.\nER  - \n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    assert formats_and_titles(tmp_path) == ({"a.txt": "RIS"}, ["A title"])


def test_prose_that_names_title_and_abstract_is_no_table(tmp_path):
    text = f"Title, Abstract\n\nA Survey of Forms\n\nAbstract\n\n{LONG}.\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    assert formats_and_titles(tmp_path)[0] == {"a.txt": "text of one paper"}


def test_each_format_has_a_name():
    assert all(form.name for form in TEXT_FORMATS)
