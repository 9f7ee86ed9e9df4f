"""Question answering over a corpus of paper abstracts."""

__version__ = "0.1.0"
