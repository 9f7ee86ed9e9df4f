"""Files to papers: what people keep papers in, read as one stream of records."""
