from dataclasses import replace

from qa.corpus.papers import Skipped
from qa.index.reading_report import KEPT, FileReport, ReadingReport


def test_first_entries_are_kept_and_all_are_counted(tmp_path):
    count = 3 * KEPT
    skipped = [Skipped("a.ris", "no title", f"line {n}") for n in range(count)]
    files = [FileReport("a.ris", "RIS", count + 1, 0, 0, count + 1)]
    report = ReadingReport.of(files, [], [*skipped, Skipped("a.ris", "no abstract", "line 1")])
    report.write(tmp_path)
    found = ReadingReport.read(tmp_path)
    assert found == replace(report, skipped=report.skipped[:KEPT])
    assert (found.skips, found.entries) == (count + 1, count + 1)
    assert found.skipped_line == (
        "30,001 entries were skipped: no title (30,000), no abstract (1)."
    )


def test_store_of_an_older_version_has_no_report(tmp_path):
    assert ReadingReport.read(tmp_path) == ReadingReport()


def test_more_skipped_than_read_is_a_warning():
    skipped = [Skipped("a.ris", "no title", "line 1")] * 6
    enough = ReadingReport.of([FileReport("a.ris", "RIS", 12, 6, 0, 6)], [], skipped)
    assert enough.warning == ""
    few = ReadingReport.of([FileReport("a.ris", "RIS", 11, 5, 0, 6)], [], skipped)
    assert few.warning.startswith("More was skipped than read: 6 of 11 entries.")
