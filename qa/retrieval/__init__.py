"""A question to ranked papers, and ranked again with what relevance judgements teach."""
