"""Readers of the file formats that papers are kept in; `corpus.read_corpus` reads them all."""
