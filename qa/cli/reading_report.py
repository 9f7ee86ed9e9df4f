"""The report of a rebuild in lines: what became of every entry, by file or by format."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from qa.index.reading_report import FileReport, ReadingReport

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
            yield _file_line(file, reading)
    else:
        yield from _format_lines(reading)
    if len(files) > 1 or reading.merges:
        yield _total_line(reading)
    if verbose:
        for merge in reading.merged:
            yield (
                f"merged: {merge.source}: {merge.title!r} into {merge.paper} "
                f"{merge.paper_title!r}: {merge.reason}"
            )
        for entry in reading.skipped:
            yield f"skipped: {entry.source}: {entry.where}: {entry.why}"


def _file_line(file: FileReport, reading: ReadingReport) -> str:
    entries = [entry for entry in reading.skipped if entry.source == file.name]
    if file.format is None:
        return (
            f"{file.name}: {_NOT_READ}: {'; '.join(dict.fromkeys(entry.why for entry in entries))}"
        )
    skipped = [entry.reason for entry in entries]
    merged = [entry.reason for entry in reading.merged if entry.source == file.name]
    return f"{file.name}: {file.format}, {_counts([file], merged, skipped)}"


def _format_lines(reading: ReadingReport) -> Iterator[str]:
    """Yield a line for each format, those of the most papers first."""
    groups: defaultdict[str, list[FileReport]] = defaultdict(list)
    for file in reading.files:
        groups[file.format or _NOT_READ].append(file)
    formats = {file.name: file.format or _NOT_READ for file in reading.files}
    merged, skipped = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for merge in reading.merged:
        merged[formats[merge.source]].append(merge.reason)
    for entry in reading.skipped:
        skipped[formats[entry.source]].append(entry.reason)
    for name, files in sorted(
        groups.items(), key=lambda group: -sum(file.papers for file in group[1])
    ):
        if name == _NOT_READ:
            yield f"{_NOT_READ}, {_number(len(files), 'file')}: {_reasons(skipped[name])}"
        else:
            counts = _counts(files, merged[name], skipped[name])
            yield f"{name}, {_number(len(files), 'file')}: {counts}"


def _counts(files: Sequence[FileReport], merged: Sequence[str], skipped: Sequence[str]) -> str:
    """Return the entries, papers, merged and skipped entries of files."""
    entries = _number(sum(file.entries for file in files), "entry", "entries")
    parts = [_number(sum(file.papers for file in files), "paper")]
    if bare := sum(file.title_only for file in files):
        parts[0] += f" ({bare:,} by title only)"
    for count, what, reasons in (
        (sum(file.merged for file in files), "merged", merged),
        (sum(file.skipped for file in files), "skipped", skipped),
    ):
        if count:
            parts.append(f"{count:,} {what} ({_reasons(reasons)})")
    return f"{entries}: {', '.join(parts)}"


def _total_line(reading: ReadingReport) -> str:
    """Return the counts of all files."""
    merged = [entry.reason for entry in reading.merged]
    skipped = [entry.reason for entry in reading.skipped]
    return f"in all, {_counts(reading.files, merged, skipped)}"


def _reasons(reasons: Sequence[str]) -> str:
    """Return each reason with its number, the most frequent first; a single one without."""
    counts = Counter(reasons).most_common()
    if len(counts) == 1:
        return counts[0][0]
    texts = [f"{count:,} {reason}" for reason, count in counts]
    more = [f"{len(texts) - _MOST_REASONS:,} other reasons"] if len(texts) > _MOST_REASONS else []
    return ", ".join(texts[:_MOST_REASONS] + more)


def _number(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"
