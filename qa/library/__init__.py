"""One corpus open for questions, and the Python API: commands, page and servers use it."""
