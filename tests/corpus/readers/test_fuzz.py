"""Damaged files: nothing but CorpusError comes out, and no paper takes the words of another.

A short run of what was run at length by hand; QA_FUZZ sets the number of files.
"""

import csv
import io
import json
import os
import random
import re
import textwrap
import tracemalloc

import paths
import pytest

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers.corpus import read_corpus
from qa.errors import CorpusError

FILES = int(os.environ.get("QA_FUZZ", "40"))  # for each format
CORPORA = paths.CORPORA
MARKS = ("maple", "birch", "cedar", "dogwood", "hawthorn", "spruce")
MARK = re.compile("|".join(MARKS))
PIECES = (
    b'"', b"{", b"}", b"[", b"]", b",", b"\n", b"\r", b"\t", b";", b"@", b"\\", b"$", b"%", b"#",
    b"\0", b"\xff", b"\xe9", b"TY  - JOUR\n", b"ER  - \n", b"@article{", b'{"title":', b"---\n",
    b"&lt;", b"<p>", b"\xef\xbb\xbf", b"PMID- 1\n", b"%0 ", b"\xed\xa0\x80", b"NaN", b"\\ud800",
)  # fmt: skip


def papers():
    for mark in MARKS:
        words = " ".join(f"the {mark} grows by the river" for _ in range(9))
        yield f"On {mark} and {mark} trees", f"We study {mark}: {words}."


def folded(text, indent):
    return ("\n" + indent).join(textwrap.wrap(text, 60))


def ris():
    return "".join(
        f"TY  - JOUR\nTI  - {title}\nAU  - Doe, Jane\nPY  - 2020\nAB  - {abstract}\nER  - \n\n"
        for title, abstract in papers()
    )


def nbib():
    return "".join(
        f"PMID- {number}\nTI  - {title}\nAB  - {folded(abstract, '      ')}\nDP  - 2020\n\n"
        for number, (title, abstract) in enumerate(papers())
    )


def web_of_science():
    entries = (
        f"PT J\nAU Doe, J\nTI {title}\nAB {folded(abstract, '   ')}\nPY 2020\nER\n\n"
        for title, abstract in papers()
    )
    return "FN Clarivate Analytics Web of Science\nVR 1.0\n" + "".join(entries) + "EF\n"


def endnote():
    return "".join(
        f"%0 Journal Article\n%T {title}\n%A Doe, J\n%X {abstract}\n\n"
        for title, abstract in papers()
    )


def bibtex():
    return '@string{j = "J"}\n' + "".join(
        f"@article{{k{number},\n  title = {{{title}}},\n  abstract = {{{abstract}}},\n"
        "  journal = j,\n  year = 2020\n}\n\n"
        for number, (title, abstract) in enumerate(papers())
    )


def objects():
    return [{"title": title, "abstract": abstract, "year": 2020} for title, abstract in papers()]


def lines():
    return "".join(json.dumps(paper) + "\n" for paper in objects())


def frame():
    return json.dumps({"meta": {"count": 6}, "results": objects()}, indent=1)


def table(delimiter, quoting):
    file = io.StringIO()
    rows = csv.writer(file, delimiter=delimiter, quoting=quoting)
    rows.writerow(["Title", "Year", "Abstract", "Authors"])
    rows.writerows([title, 2020, abstract, "Doe, J."] for title, abstract in papers())
    return file.getvalue()


def page():
    begin = "Get trending papers in your email inbox!\nSubscribe"
    return begin + "".join(f"{title}\n\n{abstract}\n\n" for title, abstract in papers())


FORMATS = {
    "a.ris": ris(),
    "a.nbib": nbib(),
    "a.ciw": web_of_science(),
    "a.enw": endnote(),
    "a.bib": bibtex(),
    "a.jsonl": lines(),
    "a.json": json.dumps(objects()),
    "b.json": frame(),
    "a.csv": table(",", csv.QUOTE_MINIMAL),
    "b.csv": table(";", csv.QUOTE_ALL),
    "a.tsv": table("\t", csv.QUOTE_MINIMAL),
    "page.txt": page(),
}


def edited(content, chance):
    """The content after one small edit."""
    content, at = bytearray(content), chance.randrange(len(content))
    line_end = content.find(b"\n", at)
    match chance.randrange(5):
        case 0:
            content[at] = chance.randrange(256)
        case 1:
            content[at:at] = chance.choice(PIECES)
        case 2:
            del content[at : at + chance.randint(1, 4)]
        case 3:  # a line is lost
            del content[content.rfind(b"\n", 0, at) + 1 : line_end + 1]
        case _:  # two lines become one
            del content[line_end : line_end + 1]
    return bytes(content)


def wrecked(content, chance):
    """The content after several edits, large and small."""
    for _ in range(chance.randint(1, 6)):
        content = bytearray(content or b"x")
        at = chance.randrange(len(content))
        to = at + chance.randint(0, 400)
        match chance.randrange(6):
            case 0:
                del content[at:to]
            case 1:
                content[at:at] = chance.choice(PIECES) * chance.choice((1, 2, 2000))
            case 2:
                content[at:at] = content[at:to] * chance.choice((1, 100))
            case 3:
                content[at:to] = chance.randbytes(to - at)
            case 4:
                content = content.replace(b"\n", chance.choice((b"\r\n", b"\r", b"")))
            case _:
                shuffled = bytes(content).split(b"\n")
                chance.shuffle(shuffled)
                content = bytearray(b"\n".join(shuffled))
        content = content[:200_000]
    return bytes(content)


def entries(path):
    try:
        return list(read_corpus(path).records())
    except CorpusError as error:
        assert path.name in str(error)  # noqa: PT017 - it may, but need not be raised
        return []


@pytest.mark.parametrize("name", FORMATS)
def test_undamaged_file_has_all_papers(name, tmp_path):
    (tmp_path / name).write_text(FORMATS[name], encoding="utf-8")
    assert [(entry.title, entry.abstract) for entry in entries(tmp_path / name)] == list(papers())


@pytest.mark.parametrize("name", FORMATS)
def test_small_edit_never_merges_two_papers_silently(name, tmp_path):
    chance = random.Random(name)
    for _ in range(FILES):
        (tmp_path / name).write_bytes(edited(FORMATS[name].encode(), chance))
        found = entries(tmp_path / name)
        for entry in found:
            if isinstance(entry, Record) and len({*MARK.findall(entry.title + entry.abstract)}) > 1:
                # On a page the next title may stand at the end of an abstract: then its own
                # abstract is reported to have no title.
                assert name == "page.txt"
                assert "no title" in {skip.reason for skip in found if isinstance(skip, Skipped)}


@pytest.mark.parametrize("name", [*FORMATS, *(path.name for path in sorted(CORPORA.iterdir()))])
def test_wrecked_file_gives_papers_or_reasons_and_no_other_error(name, tmp_path):
    chance = random.Random(name)
    whole = FORMATS[name].encode() if name in FORMATS else (CORPORA / name).read_bytes()
    for _ in range(FILES // 2):
        (tmp_path / name).write_bytes(wrecked(whole, chance))
        for entry in entries(tmp_path / name):
            if isinstance(entry, Record):
                assert entry.title
                assert entry.abstract == " ".join(entry.abstract.split())
                (entry.title + entry.abstract).encode()  # no half characters


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '[{"a":' * 100_000),
        ("b.json", '{"a":[' + '{"b":1},' * 50_000),
        ("a.jsonl", '{"title":"x\n' * 20_000),
        ("a.bib", "@article{a," + "{" * 500_000),
        ("b.bib", "@article{a,title={" + "$x_{" * 100_000 + "},abstract={x}}"),
        ("a.csv", 'title,abstract\n"a;' + '"a"b,' * 100_000),
        ("b.csv", "title,abstract\n" + '"a\n' * 50_000),
        ("a.ris", "TY  - J\nTI  - x\nAB  - y\nDO  - " + "10.1234." * 100_000),
        ("b.ris", "TY  - J\nTI  - x\nAB  - e" + "\u0301\u0327" * 200_000),
        ("c.ris", "TY  - J\nTI  - x\nAB  - " + "<p a" * 200_000),
        ("a.txt", "a\n" * 200_000),
        ("a.md", "---\na: &a [x,x]\nyear: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n"
         + "".join(f"k{n}: &b [{'*b,' * 8}]\n" for n in range(12)) + "date: *b\n---\nT\n\nabc\n"),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)  # fmt: skip
def test_files_made_to_take_forever_do_not(name, content, tmp_path):
    (tmp_path / name).write_text(content, encoding="utf-8")
    entries(tmp_path / name)  # the square of these lengths would take minutes


BIBTEX = pytest.param("a.bib", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [*sorted(FORMATS.keys() - {"a.bib", "b.json"}), BIBTEX])
def test_large_file_is_never_held_as_a_whole(name, tmp_path):
    path, text = tmp_path / name, FORMATS[name]
    times = 1_000_000 // len(text)
    whole = f"[{','.join([text[1:-1]] * times)}]" if name == "a.json" else text * times
    path.write_text(text, encoding="utf-8")
    list(read_corpus(path).records())  # importing a reader takes memory too
    path.write_text(whole, encoding="utf-8")
    tracemalloc.start()
    count = sum(isinstance(entry, Record) for entry in read_corpus(path).records())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count >= times * len(MARKS)
    assert peak < len(whole)


def test_frame_that_is_too_large_to_decode_is_entered(tmp_path):
    path, papers_inside = tmp_path / "a.json", json.dumps(objects())[1:-1]
    times = 5_000_000 // len(papers_inside)
    frame_of_all = '{"meta": {"count": 1}, "results": [' + ",".join([papers_inside] * times) + "]}"
    path.write_text(frame_of_all, encoding="utf-8")
    found = entries(path)
    assert len(found) == times * len(MARKS)
    assert all(isinstance(entry, Record) for entry in found)
