"""The formats that papers can be written in, each by a module that is loaded when it is asked."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qa.export.reference import Reference


class Format(StrEnum):
    """The name of a format, as the command line has it."""

    BIBTEX = "bibtex"
    RIS = "ris"
    CSV = "csv"
    MARKDOWN = "markdown"
    JSON = "json"


def written(references: Sequence["Reference"], form: Format) -> str:
    """The references in a format that is all about papers: any but JSON."""
    match form:
        case Format.BIBTEX:
            from qa.export.bibtex import bibtex

            return bibtex(references)
        case Format.RIS:
            from qa.export.ris import ris

            return ris(references)
        case Format.CSV:
            from qa.export.table import table

            return table(references)
        case Format.MARKDOWN:
            from qa.export.markdown import markdown

            return markdown(references)
    raise AssertionError(form)
