"""JSON in the replies of models that were asked for nothing else, and add something anyway."""

import json
import re

from qa.errors import ChatBadReply

FENCED = re.compile(r"```[\w-]*\s*\n?(.*?)```", re.DOTALL)
BRACKET = re.compile(r"[{\[]")
MOST_MISSES = 500  # brackets that open no JSON; each may cost a pass over the text
DECODER = json.JSONDecoder(strict=False)  # models leave line breaks in strings


def extract_json(text: str) -> object:
    """Return the JSON object or array in a reply: bare, in a code fence, or amid prose.

    Of several the longest object counts. Raises ChatBadReply if there is none.
    """
    for candidate in (text, *FENCED.findall(text)):
        value = _whole(candidate)
        if value is not None:
            return value
    found = _amid(text)
    if found is None:
        start = " ".join(text.split())[:60]
        raise ChatBadReply(f"the model was asked for JSON and replied {start!r}: try another model")
    return found


def _whole(text: str) -> object | None:
    try:
        value = DECODER.decode(text.strip().removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _amid(text: str) -> object | None:
    best: tuple[bool, int] = (False, 0)
    found: object | None = None
    position = misses = 0
    while misses < MOST_MISSES and (match := BRACKET.search(text, position)):
        try:
            value, end = DECODER.raw_decode(text, match.start())
        except RecursionError:
            return found
        except ValueError:
            position, misses = match.end(), misses + 1
            continue
        rank = (isinstance(value, dict), end - match.start())
        if rank > best:
            best, found = rank, value
        position = end
    return found
