"""Files and folders that are none of the user's papers, by their names."""

_BY_PROGRAMS = {"__pycache__", "__MACOSX", "Thumbs.db", "desktop.ini"}


def hidden(name: str) -> bool:
    """Tell whether a file or folder of this name is passed over without a word."""
    return name.startswith(".") or name in _BY_PROGRAMS
