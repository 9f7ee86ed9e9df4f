"""Readers of every file format that people keep papers in; `corpus.read_corpus` is the way in."""
