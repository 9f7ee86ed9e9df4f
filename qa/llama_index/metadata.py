"""The values in a document's metadata, which may be anything, as JSON readers know them."""

import json

_DEEPEST = 50  # lists and objects inside one another
_NOTHING = {"nan", "nat", "<na>", "inf", "infinity"}  # numbers of other libraries that are none


def readable(value: object) -> object:
    """The value in strings, finite numbers, lists and dicts; None for a number that is none.

    Raises an Exception of any kind where it cannot be read: it holds itself, or nests too deep, or
    an object in it cannot tell its own text.
    """
    if value is None or isinstance(value, str):
        return value
    content = json.dumps(value, default=_other, skipkeys=True)
    plain: object = json.loads(content, parse_constant=lambda _: None)
    if _depth(plain) > _DEEPEST:
        raise ValueError("nested too deep")
    return plain


def _other(value: object) -> object:
    """What JSON does not know, as something that it does."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    text = str(value)
    return None if text.lower().lstrip("+-") in _NOTHING else text


def _depth(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
