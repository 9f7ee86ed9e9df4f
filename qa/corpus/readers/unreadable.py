"""A file that cannot be read as papers: why, and what to do instead."""

from qa.errors import CorpusError

ANOTHER_FILE = "Name another file or folder."
EXPORT = "Export the papers as BibTeX, RIS or CSV, or put title and abstract into a text file."
UNPACK = "Unpack it first."


class UnreadableFile(CorpusError):
    """A file does not hold papers that can be read.

    The message is the reason, without the file's name and without a full stop. `advice` is a
    sentence that says what to do instead. `missing_column` is the field for which a table has no
    known column: then the column's name is all that is needed.
    """

    def __init__(
        self, reason: str, advice: str = ANOTHER_FILE, *, missing_column: str | None = None
    ) -> None:
        super().__init__(reason)
        self.advice = "" if missing_column else advice
        self.missing_column = missing_column
