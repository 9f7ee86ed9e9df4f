"""Documents of another framework's readers, made a corpus of papers."""

from qa.documents.corpus_folder import corpus_folder, write_papers
from qa.documents.loaded import Loaded
from qa.documents.taken import Taken, taken_in

__all__ = ["Loaded", "Taken", "corpus_folder", "taken_in", "write_papers"]
