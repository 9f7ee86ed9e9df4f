from dataclasses import replace

from qa.corpus.papers import Skipped
from qa.index.dedupe import MergedPapers
from qa.index.reading_report import KEPT, FileReport, ReadingReport


def test_first_entries_are_kept_and_all_are_counted(tmp_path):
    skipped = [Skipped("a.ris", "no title", f"line {n}") for n in range(KEPT + 9)]
    last = Skipped("b.ris", "no abstract", "line 1")
    report = MergedPapers(tmp_path / "merged.sqlite").add_records([*skipped, last])
    report.write(tmp_path)
    found = ReadingReport.read(tmp_path)
    assert found == replace(report, skipped=tuple(skipped[:KEPT]))
    assert found.skips == found.entries == KEPT + 10
    assert found.skipped_line == (
        "50,010 entries were skipped: no title (50,009), no abstract (1)."
    )


def test_store_of_an_older_version_has_no_report(tmp_path):
    assert ReadingReport.read(tmp_path) == ReadingReport()


def test_more_skipped_than_read_is_a_warning():
    enough = ReadingReport((FileReport("a.ris", "RIS", 12, 6, 0, 6),))
    assert enough.warning == ""
    few = ReadingReport((FileReport("a.ris", "RIS", 11, 5, 0, 6),))
    assert few.warning.startswith("More was skipped than read: 6 of 11 entries.")
