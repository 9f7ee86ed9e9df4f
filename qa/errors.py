"""Every error that a user can cause or act on, as one tree.

    QAError                     exit code 1, one or two lines, no traceback
    ├── UsageError              exit code 2: a command or function was called wrongly
    ├── ConfigError             a setting has a value that cannot be used
    ├── CorpusError             the corpus is missing, empty, or not readable as papers
    ├── StoreError              the vector store cannot be used as it is
    │   ├── StoreMissing        there is none yet
    │   ├── StoreMismatch       it was built from or for something else than is asked for now
    │   ├── StoreLocked         another process is writing it
    │   └── StoreDamaged        files are missing, cut off or disagree
    ├── EmbeddingError          no weights of the model, or the embedding server failed
    ├── PromptError             a prompt file is missing or has the wrong variables
    └── ChatError               the chat model could not be asked, or its reply not be used
        ├── ChatAuthError       401, 403
        ├── ChatModelNotFound   404
        ├── ChatRateLimited     429 after all retries, or no quota
        ├── ChatUnreachable     no connection, name not found, TLS
        ├── ChatTimeout         nothing came within the time limit
        ├── ChatContextTooLong  the prompt does not fit: the caller may split it
        ├── ChatRefused         the model declined to answer
        └── ChatBadReply        cut off, empty, or not what was asked

A message says in plain words what happened. Where one of our commands is the next step, the error
has it as a `hint`, and `qa.config.error_text` adds it to the message as a command.
Errors of other libraries are translated once, where that library is called, by `raise … from exc`.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Action(StrEnum):
    """What the user can do about an error."""

    REBUILD = "rebuild"  # bring the corpus's vector store up to date
    NAME_COLUMN = "name_column"  # say which column of a table holds a field


@dataclass(frozen=True, slots=True)
class Hint:
    """What to do next about an error, as data."""

    action: Action
    corpus: Path | None = None  # whose store or table; None: the one that was asked
    column: str | None = None  # the field whose column is not known, for NAME_COLUMN


class QAError(Exception):
    """Something the user can act on; `str()` of it says what happened."""

    exit_code = 1

    def __init__(self, message: str, *, hint: Hint | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(QAError):
    """A command or function was called in a way it does not have.

    `parameter` names the argument that is wrong where the message begins with its name: an option
    on the command line, a keyword in Python.
    """

    exit_code = 2

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class ConfigError(QAError):
    """A setting has a value that cannot be used."""


class CorpusError(QAError):
    """The corpus is missing, empty, or not readable as papers."""


class StoreError(QAError):
    """The vector store cannot be used as it is."""


class StoreMissing(StoreError):
    """There is no vector store for this corpus yet."""


class StoreMismatch(StoreError):
    """The vector store was built from other files, by another model, or in another format."""


class StoreLocked(StoreError):
    """Another process is writing the vector store."""


class StoreDamaged(StoreError):
    """Files of the vector store are missing, cut off, or disagree with each other."""


class EmbeddingError(QAError):
    """Texts could not be embedded."""


class PromptError(QAError):
    """A prompt file is missing or asks for variables that do not exist."""


class ChatError(QAError):
    """The chat model could not be asked, or its reply could not be used."""


class ChatAuthError(ChatError):
    """The server does not accept the key."""


class ChatModelNotFound(ChatError):
    """The server does not have the model."""


class ChatRateLimited(ChatError):
    """The server kept refusing for load or quota."""


class ChatUnreachable(ChatError):
    """There is no server where one was expected."""


class ChatTimeout(ChatError):
    """The server did not answer within the time limit."""


class ChatContextTooLong(ChatError):
    """The prompt is longer than the model's context."""


class ChatRefused(ChatError):
    """The model declined to answer."""


class ChatBadReply(ChatError):
    """The reply was cut off, empty, or not what was asked for."""
