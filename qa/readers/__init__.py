"""Readers of everything that people keep papers in, behind one `read_corpus(path)`."""

from qa.readers.corpus import Corpus, CorpusFile, read_corpus

__all__ = ["Corpus", "CorpusFile", "read_corpus"]
