"""Readers of everything that people keep papers in, behind one `read_corpus(path)`."""

from qa.readers.corpus import READER_VERSION, Corpus, CorpusFile, read_corpus

__all__ = ["READER_VERSION", "Corpus", "CorpusFile", "read_corpus"]
