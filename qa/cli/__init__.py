"""The commands `ask` and `qa`."""
