"""Options that several commands share, and what they mean together."""

from pathlib import Path
from typing import Annotated

import typer

from qa import __version__
from qa.corpus.filters import Filters
from qa.errors import UsageError
from qa.export.formats import Format


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        typer.echo(f"ask-papers {__version__}")
        raise typer.Exit


def _format(name: str) -> Format:
    try:
        return Format(name)
    except ValueError as exc:
        raise typer.BadParameter(f"{name!r} must be one of {', '.join(Format)}.") from exc


Question = Annotated[
    list[str], typer.Argument(metavar="QUESTION", help="The question; - reads it from stdin.")
]
QuestionOrFile = Annotated[
    list[str] | None,
    typer.Argument(metavar="QUESTION", help="The question; - reads it from stdin."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Form = Annotated[
    Format | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        parser=_format,
        help="bibtex, ris, csv, markdown or json.",
    ),
]
Corpus = Annotated[
    Path | None,
    typer.Option(
        "--corpus", metavar="PATH", help="Folder or file with the papers, instead of QA_CORPUS."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME", help="Chat model, instead of QA_MODEL; none: no model."
    ),
]
TrustJudge = Annotated[
    bool,
    typer.Option("--trust-judge", help="Believe the chat model's verdicts without testing it."),
]
Recall = Annotated[
    float | None,
    typer.Option(
        "--recall",
        metavar="SHARE",
        min=0.01,
        max=1.0,
        help="Read until this share of the answers is probably found: 0.95.",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show each round of reading.")]
Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
]
Year = Annotated[
    list[str] | None,
    typer.Option("--year", metavar="YEARS", help="Only papers of: 2023, 2023-, -2020, 2019-2021."),
]
Author = Annotated[
    list[str] | None, typer.Option("--author", metavar="NAME", help="Only papers by this author.")
]
Venue = Annotated[
    list[str] | None, typer.Option("--venue", metavar="NAME", help="Only papers of this venue.")
]
Source = Annotated[
    list[str] | None, typer.Option("--source", metavar="FILE", help="Only papers of this file.")
]


NoConditions = Annotated[
    bool,
    typer.Option(
        "--no-conditions", help="Take years, authors and venues in QUESTION as mere words."
    ),
]


def filters_of(
    year: list[str] | None,
    author: list[str] | None,
    venue: list[str] | None,
    source: list[str] | None,
) -> Filters:
    """Return the filters that the options ask for; raises UsageError."""
    return Filters.parse(
        years=year or (), authors=author or (), venues=venue or (), sources=source or ()
    )


def format_of(chosen: Format | None, *, as_json: bool) -> Format | None:
    """Return the format that the options ask for, None for plain text; raises UsageError."""
    if as_json and chosen not in {None, Format.JSON}:
        raise UsageError(f"--json and --format {chosen} exclude each other.")
    return Format.JSON if as_json else chosen
