"""What `qa rebuild` says of every entry: by file or format, in full with --verbose, and as JSON."""

import json
import zipfile

import pytest

from qa.cli.reading_report import report_lines
from qa.corpus.papers import Skipped
from qa.index.reading_report import FileReport, ReadingReport

ABSTRACT = "We date clay ovens found in nine alpine valleys. They are old, as their bricks show."
BIB = "@article{{{0}, title = {{{1}}}, doi = {{10.5555/ovens}}, abstract = {{{2}}}}}\n"
OLD, NEW = "Zirbelholz Burnt in Valleys", "Clay Ovens in the Alps"


@pytest.fixture
def mixed(environment, tmp_path):
    """A folder with two entries of one paper, skipped ones, and files that are not read."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.bib").write_text(
        BIB.format("a", OLD, ABSTRACT) + "@misc{b, year = 2020}", encoding="utf-8"
    )
    (folder / "b.bib").write_text(BIB.format("c", NEW, f"{ABSTRACT} Truly."), encoding="utf-8")
    (folder / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n" * 9, encoding="utf-8")
    with zipfile.ZipFile(folder / "c.zip", "w") as archive:
        archive.writestr("../d.bib", BIB.format("d", "Out", ABSTRACT))
    outside = tmp_path / "outside.bib"
    outside.write_text(BIB.format("e", "Outside", ABSTRACT), encoding="utf-8")
    (folder / "link.bib").symlink_to(outside)
    environment.setenv("QA_CORPUS", str(folder))
    environment.setenv("QA_MODEL", "none")
    return folder


def test_every_entry_is_accounted_for(mixed, qa):
    done = qa("rebuild", "--verbose")
    assert done.exit_code == 0, done.output
    first, *lines = done.stdout.splitlines()
    paper = qa("papers").stdout[:12]
    assert "1 paper" in first
    assert [line.strip() for line in lines] == [
        "link.bib: not read: a link that leads out of the corpus is not followed",
        "a.bib: BibTeX, 2 entries: 1 paper, 1 skipped (no title)",
        "b.bib: BibTeX, 1 entry: 0 papers, 1 merged (same DOI)",
        "c.zip/../d.bib: not read: its path leads out of the archive",
        "passwd: not read: it is in no format that papers come in",
        (
            "in all, 6 entries: 1 paper, 1 merged (same DOI), 4 skipped (1 a link that leads out of"
            " the corpus is not followed, 1 no title, 1 its path leads out of the archive, 1 it"
            " is in no format that papers come in)"
        ),
        f"merged: b.bib: '{NEW}' into {paper} '{OLD}': same DOI",
        "skipped: link.bib: whole file: a link that leads out of the corpus is not followed",
        "skipped: a.bib: entry b, line 2: no title",
        "skipped: c.zip/../d.bib: whole file: its path leads out of the archive",
        "skipped: passwd: whole file: it is in no format that papers come in",
    ]
    assert "WARNING: More was skipped than read: 4 of 6 entries." in done.stderr


def test_report_in_json_adds_up_also_after_a_rebuild_without_changes(mixed, qa):
    first, second = (json.loads(qa("rebuild", "--json").stdout)[0] for _ in range(2))
    assert (first["new"], second["new"]) == (1, 0)
    for report in (first, second):
        assert report["entries"] == 6
        assert (report["papers"], len(report["merged"]), len(report["skipped"])) == (1, 1, 4)
        assert [(file["name"], file["format"]) for file in report["files"]] == [
            ("link.bib", None),
            ("a.bib", "BibTeX"),
            ("b.bib", "BibTeX"),
            ("c.zip/../d.bib", None),
            ("passwd", None),
        ]
        for file in report["files"]:
            assert file["entries"] == file["papers"] + file["merged"] + file["skipped"]


def test_both_titles_of_a_merged_paper_are_found(mixed, qa):
    qa("rebuild")
    for title in (OLD, NEW):
        found = json.loads(qa("search", title, "--json").stdout)["papers"]
        assert [paper["title"] for paper in found] == [NEW]
    shown = qa("show", qa("papers").stdout[:12]).stdout
    assert f"also: {OLD}" in shown


def test_many_files_are_summed_up_by_format():
    files = [FileReport(f"{n}.md", "Markdown note", 1, 1, 0, 0) for n in range(2000)]
    reasons = {"it is a PDF": 1}
    files += [FileReport(f"{n}.pdf", None, 1, 0, 0, 1, {}, reasons) for n in range(3)]
    skipped = [Skipped(f"{n}.pdf", *reasons, "whole file") for n in range(3)]
    report = ReadingReport(tuple(files), (), tuple(skipped))
    assert list(report_lines(report, verbose=False)) == [
        "Markdown note, 2,000 files: 2,000 entries: 2,000 papers",
        "not read, 3 files: it is a PDF",
        "in all, 2,003 entries: 2,000 papers, 3 skipped (it is a PDF)",
    ]
    assert len(list(report_lines(report, verbose=True))) == 2003 + 1 + 3
