"""Papers to a searchable store: built once for a corpus, opened for every question."""
