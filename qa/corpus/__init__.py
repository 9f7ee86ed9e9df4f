"""From files to papers: readers, sentences, chunks, and filters on what papers have."""
