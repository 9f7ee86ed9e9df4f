"""XML as a stream, and XML that is made to do harm."""

import itertools
import tracemalloc

import pytest

from qa.corpus.papers import UnreadableFile
from qa.corpus.readers import xml
from qa.corpus.readers.xml import xml_records

_NESTED = ["<!ENTITY lol%d '%s'>" % (n, f"&lol{n - 1};" * 10) for n in range(1, 10)]  # noqa: UP031
BOMB = f"<!DOCTYPE a [<!ENTITY lol0 'lol'>{''.join(_NESTED)}]><set><r>&lol9;</r></set>"
EXTERNAL = '<!DOCTYPE r [<!ENTITY secret SYSTEM "file:///etc/passwd">]><set><r>&secret;</r></set>'
PARAMETER = '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]><set><r>x</r></set>'


def read(text, *, size=1000, ignored=()):
    chunks = (text[at : at + size] for at in range(0, len(text), size))
    return list(xml_records(chunks, lambda _: {"r"}, ignored))


def texts(records):
    return ["".join(record.element.itertext()) for record in records]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_records_have_their_text_and_line_wherever_the_pieces_end(size):
    text = '<set>\n<other>no</other>\n<r a="1">one <b>&amp; bold</b></r>\n<x:r>two</x:r></set>'
    found = read(text, size=size)
    assert texts(found) == ["one & bold", "two"]
    assert [(record.line, record.element.tag) for record in found] == [(3, "r"), (4, "r")]


def test_ignored_elements_are_left_out_with_all_that_is_in_them():
    text = "<set><r>a<body>b<r>c</r><b>d</b></body>e</r><body><r>f</r></body><r>g</r></set>"
    assert texts(read(text, ignored={"body"})) == ["ae", "g"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_files_put_together_are_read_one_after_the_other(size):
    one = '<?xml version="1.0"?>\n<set>\n<r>{}</r></set>\n'
    found = read(one.format(1) + one.format(2) + one.format(3), size=size)
    assert texts(found) == ["1", "2", "3"]
    assert [record.line for record in found] == [3, 6, 9]


def test_entities_of_html_are_letters_and_control_characters_are_left_out():
    assert texts(read("<set><r>Malm&ouml;\x0b&nbsp;x&unknown;</r></set>")) == [
        "Malmö\xa0x&unknown;"
    ]


@pytest.mark.parametrize("text", [BOMB, EXTERNAL, PARAMETER])
def test_entities_that_a_file_declares_are_refused(text):
    with pytest.raises(UnreadableFile, match="declares entities of its own"):
        read(text)


def test_a_dtd_elsewhere_is_not_opened():
    text = '<!DOCTYPE set PUBLIC "-//X" "http://127.0.0.1:9/x.dtd"><set><r>x</r></set>'
    assert texts(read(text)) == ["x"]


def test_what_is_before_a_break_is_read_and_the_break_is_told():
    found = []
    with pytest.raises(UnreadableFile, match=r"damaged XML: .*, line 3"):
        found.extend(xml_records(["<set>\n<r>one</r>\n<r>two</x>"], lambda _: {"r"}))
    records = xml_records(["<set>\n<r>one</r>\n<r>two</x>"], lambda _: {"r"})
    assert next(records).element.text == "one"


def forever(first, repeated):
    return itertools.chain([first], itertools.repeat(repeated))


@pytest.mark.parametrize(
    "chunks",
    [
        forever("<set><r>", "text " * 10_000),
        forever("<set><r>", "<a/>" * 10_000),
        forever("<set><r>", "<a>" * 10_000),
        forever("<set>", "<a>" * 10_000),
        forever("<set><body>", "<a>" * 10_000),
        forever("<set><r a='", "long " * 10_000),
        forever("<set><!--", "long " * 10_000),
        forever("<set><r><![CDATA[", "long " * 10_000),
    ],
    ids=["text", "elements", "depth", "depth outside", "depth ignored", "value", "comment",
         "cdata"],
)  # fmt: skip
def test_endless_files_are_refused_before_memory_is_full(chunks, monkeypatch):
    monkeypatch.setattr(xml, "MAX_RECORD", 1_000_000)
    monkeypatch.setattr(xml, "_MAX_ELEMENTS", 20_000)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFile, match="more than 1 MB"):
            list(xml_records(chunks, lambda _: {"r"}, {"body"}))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
