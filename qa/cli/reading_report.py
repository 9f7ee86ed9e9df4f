"""The report of a rebuild in lines: what became of every entry, by file or by format."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from qa.index.reading_report import FileReport, ReadingReport, summed

_MOST_FILES = 10  # with a line each; more are summed up by format
_MOST_REASONS = 4
_NOT_READ = "not read"


def report_lines(reading: ReadingReport, *, verbose: bool) -> Iterator[str]:
    """Yield the lines of a report; with `verbose` one for every file, merge and skipped entry."""
    files = reading.files
    if not files:
        return
    if verbose or len(files) <= _MOST_FILES:
        for file in files:
            yield _file_line(file)
    else:
        yield from _format_lines(files)
    if len(files) > 1 or reading.merges:
        yield f"in all, {_counts(files)}"
    if verbose:
        for merge in reading.merged:
            yield (
                f"merged: {merge.source}: {merge.title!r} into {merge.paper} "
                f"{merge.paper_title!r}: {merge.reason}"
            )
        for entry in reading.skipped:
            yield f"skipped: {entry.source}: {entry.where}: {entry.why}"


def _file_line(file: FileReport) -> str:
    if file.format is None:
        advice = f". {file.advice}" if file.advice else ""
        return f"{file.name}: {_NOT_READ}: {_reasons(file.skip_reasons)}{advice}"
    return f"{file.name}: {file.format}, {_counts([file])}"


def _format_lines(files: Sequence[FileReport]) -> Iterator[str]:
    """Yield a line for each format, those of the most papers first."""
    groups: defaultdict[str, list[FileReport]] = defaultdict(list)
    for file in files:
        groups[file.format or _NOT_READ].append(file)
    for name, same in sorted(
        groups.items(), key=lambda group: -sum(file.papers for file in group[1])
    ):
        unread = name == _NOT_READ
        counts = _reasons(summed(file.skip_reasons for file in same)) if unread else _counts(same)
        yield f"{name}, {_number(len(same), 'file')}: {counts}"


def _counts(files: Sequence[FileReport]) -> str:
    """Return the entries, papers, merged and skipped entries of files."""
    entries = _number(sum(file.entries for file in files), "entry", "entries")
    parts = [_number(sum(file.papers for file in files), "paper")]
    if bare := sum(file.title_only for file in files):
        parts[0] += f" ({bare:,} by title only)"
    if merged := sum(file.merged for file in files):
        parts.append(f"{merged:,} merged ({_reasons(summed(f.merge_reasons for f in files))})")
    if skipped := sum(file.skipped for file in files):
        parts.append(f"{skipped:,} skipped ({_reasons(summed(f.skip_reasons for f in files))})")
    return f"{entries}: {', '.join(parts)}"


def _reasons(counts: Mapping[str, int]) -> str:
    """Return each reason with its number; a single one without."""
    texts = [
        f"{count:,} {reason}" if len(counts) > 1 else reason for reason, count in counts.items()
    ]
    others = sum(list(counts.values())[_MOST_REASONS:])
    return ", ".join(texts[:_MOST_REASONS] + ([f"{others:,} for other reasons"] if others else []))


def _number(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"
