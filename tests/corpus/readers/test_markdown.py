# ruff: noqa: E501 - notes as programs write them, with long lines
"""Notes of Obsidian, of reference managers and of sites: which are papers, and their fields."""

import pytest

from qa.corpus.papers import Record
from qa.corpus.readers.corpus import read_corpus

NOTES = {
    "Attention Is All You Need.md": """---
aliases: ["Vaswani et al. 2017"]
authors: [[Ashish Vaswani]], [[Noam Shazeer]]
year: 2017
tags: [paper, nlp]
---
> [!abstract] Abstract
> The dominant sequence transduction models are based on complex **recurrent** or [[CNN|convolutional]] networks.
>
> We propose a new simple network architecture, the ==Transformer==. ^abc123

## Notes
- [ ] reread section 3
I liked this paper.
""",
    "@smith2020.md": """---
title: "GPT-3: Language models: few-shot learners"
citekey: smith2020
year: 2020
---
# @smith2020

## Abstract

Recent work has demonstrated substantial gains on many NLP tasks.

It works well on most of them, as we show.

## My notes
Great stuff overall.
""",
    "bad yaml.md": """---
title: BERT: Pre-training of Deep Bidirectional Transformers
author: Jacob Devlin
year: 2018
abstract: We introduce a new language representation model called BERT: it is deep.
---
Some thoughts about it.
""",
    "2024-05-12.md": """# 2024-05-12

Today I read about attention and spent most of the afternoon talking with colleagues about what it means for our own project, which was a lot of fun and also quite tiring in the end.

- [ ] buy milk
""",
    "2024-05-13.md": """---
tags: [daily]
---
Today I read about attention and spent most of the afternoon talking with colleagues about what it means for our own project, which was a lot of fun and also quite tiring in the end.
""",
    "MOC Papers.md": """# Papers

- [[Attention Is All You Need]]
- [[@smith2020]]
- [[bad yaml]]
""",
    "Meeting.md": """---
date: 2024-05-01
tags: meeting
---
# Meeting with Bob

We discussed the grant application in depth and decided to move the deadline by two weeks so that everybody can finish the experiments in time.

## Summary
We move the deadline and everyone is happy about it in the end, as far as we know today.
""",
    "zotero integration.md": """---
category: literaturenote
tags: ml
citekey: kim2021
---
> [!Cite]
> Kim, A. (2021). Sparse training of wide networks.

>[!Synth]
>**Contribution**:: nice

>[!md]
> **FirstAuthor**:: Kim, Ann
> **Title**:: Sparse training of wide networks
> **Year**:: 2021
> **DOI**:: 10.5555/kim

> [!Abstract]
>
> We train sparse networks with few weights. They are as good as dense ones.
>.

# Annotations
> "we train" (p. 3)
""",
    "template.md": """---
title: "{{title}}"
authors: "{{authors}}"
---
> [!abstract] Abstract
> {{abstractNote}}
""",
    "blog.md": """---
title: My first post
author: Bob
date: 2024-01-01
---
This is the first post on my blog, in which I tell everybody about the trip to the mountains that we made last year.
""",
    "two para.md": """# Deep Learning of Ovens

**Authors:** Ann Abe, Bo Li
**Year:** 2020

We train deep networks to bake bread in ovens that have never been seen before by anybody, and show that it works in practice.

A second paragraph tells how: by reward. The bread tastes good to nine of ten people who were asked about it afterwards.
""",
    "callout title.md": """# Clay ovens

> [!abstract]-
> We date clay ovens in nine valleys.
> They are old.
""",
    "hugo/index.md": """---
title: "An example conference paper"
authors:
- admin
- Robert Ford
date: "2013-07-01T00:00:00Z"
publication: In *Wowchemy Conference*
abstract: Lorem ipsum dolor sit amet, consectetur adipiscing elit. Duis posuere tellus ac convallis placerat.
---
Supplementary notes can be added here.
""",
    "fields.md": """title:: Ovens of the past
authors:: [[Ann Abe]]
abstract:: We date clay ovens in nine valleys. They are old.
tags:: #paper

- my note
""",
}

PAPERS = {  # by file: title, beginning and end of the abstract, authors, year
    "Attention Is All You Need.md": (
        "Attention Is All You Need",
        "The dominant sequence transduction models are based on complex recurrent or convolutional",
        "the Transformer.",
        ("Ashish Vaswani", "Noam Shazeer"),
        2017,
    ),
    "@smith2020.md": (
        "GPT-3: Language models: few-shot learners",
        "Recent work",
        "as we show.",
        (),
        2020,
    ),
    "bad yaml.md": (
        "BERT: Pre-training of Deep Bidirectional Transformers",
        "We introduce",
        "it is deep.",
        ("Jacob Devlin",),
        2018,
    ),
    "zotero integration.md": (
        "Sparse training of wide networks",
        "We train sparse",
        "as dense ones.",
        ("Ann Kim",),
        2021,
    ),
    "two para.md": (
        "Deep Learning of Ovens",
        "We train deep",
        "about it afterwards.",
        ("Ann Abe", "Bo Li"),
        2020,
    ),
    "callout title.md": ("Clay ovens", "We date", "They are old.", (), None),
    "hugo/index.md": (
        "An example conference paper",
        "Lorem ipsum",
        "convallis placerat.",
        ("admin", "Robert Ford"),
        2013,
    ),
    "fields.md": ("Ovens of the past", "We date", "They are old.", ("Ann Abe",), None),
}


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vault")
    for name, text in NOTES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return {entry.source: entry for entry in read_corpus(folder).records()}


@pytest.mark.parametrize("name", NOTES)
def test_note_is_read_as_what_it_is(entries, name):
    entry = entries[name]
    if name not in PAPERS:
        assert entry.reason == "it is in no format that papers come in"
        return
    title, begin, end, authors, year = PAPERS[name]
    assert isinstance(entry, Record)
    assert (entry.title, entry.authors, entry.year) == (title, authors, year)
    assert entry.abstract.startswith(begin)
    assert entry.abstract.endswith(end)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/bin/sh\n" * 20),
        ("numpy.txt", "numpy==1.26\npandas>=2\nscipy\n" * 30),
        ("LICENSE-MIT", "MIT License\n\n" + "Permission is given to all, free of charge. " * 20),
        ("README.md", "# A tool\n\n" + "It reads papers and answers questions about them. " * 9),
        ("hosts", "# The hosts of this machine\n127.0.0.1 localhost\n::1 localhost\n"),
        ("words", "\n".join(["alpha", "beta", "gamma", "delta"] * 50)),
        ("notes.txt", "- buy milk\n- call Ann\n- write the abstract, which must be short.\n" * 4),
        ("app.log", "2024-01-01 12:00 started the server and waits for requests of others.\n" * 9),
        ("guide.md", "# Guide\n\n## Install\n\n" + "Run the program as it is told here. " * 20),
        (
            "page.txt",
            "".join(f"## Part {n}\n\n{'Run the program as told. ' * 20}\n" for n in range(9)),
        ),
        ("schema.json", '{"$schema": "x", "title": "A config", "description": "Of a program."}'),
    ],
)
def test_file_without_any_sign_of_a_paper_is_none(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert not any(isinstance(entry, Record) for entry in read_corpus(tmp_path).records())


def test_virtual_environments_and_packages_are_passed_over(tmp_path):
    abstract = "# Ovens\n\n## Abstract\n\nWe date clay ovens in nine valleys.\n"
    for name in (
        "venv/pyvenv.cfg",
        "venv/lib/a.md",
        "node_modules/b/b.md",
        ".obsidian/c.md",
        "d.md",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(abstract, encoding="utf-8")
    assert [file.name for file in read_corpus(tmp_path).files] == ["d.md"]


def test_links_out_of_the_corpus_are_told_and_not_followed(tmp_path):
    outside, corpus = tmp_path / "outside", tmp_path / "corpus"
    for folder in (outside, corpus):
        folder.mkdir()
        (folder / "a.md").write_text("# Ovens\n\n## Abstract\n\nWe date.\n", encoding="utf-8")
    (corpus / "file.md").symlink_to(outside / "a.md")
    (corpus / "folder").symlink_to(outside)
    (corpus / "inside.md").symlink_to(corpus / "a.md")
    entries = list(read_corpus(corpus).records())
    assert [(e.source, isinstance(e, Record)) for e in entries] == [
        ("file.md", False),
        ("folder", False),
        ("a.md", True),
        ("inside.md", True),
    ]
