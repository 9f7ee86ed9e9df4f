"""The check of an answer against the papers it cites; pure functions from texts to findings."""
