"""LaTeX in titles, names and abstracts, turned into plain text by pylatexenc.

It takes about 8 ms for an abstract, and one brace too many makes it lose the rest; so it is given
only the stretches that have markup, each of them small and most of them seen before.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

_MARKUP = re.compile(r"[\\{}$~]|--|``|''")
_WORD = re.compile(r"\s*\S+")
_LONGEST = 2000  # characters of one formula or group; a longer one is an unclosed brace
_ACCENT = re.compile(r"\\[cvuHkrdbt]$")  # `Fran\c cois`: its letter is the next word
_COMMENT = re.compile(r"(?<!\\)%")  # half of the exporters leave per cent signs unescaped
_BRACE = re.compile(r"(?<!\\)[{}]")
_SIGNS = {  # that pylatexenc drops, or takes for others
    "textbraceleft": "{",
    "textbraceright": "}",
    "textasciicircum": "^",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
}
_DOLLAR = re.compile(r"(?<!\\)\$")


def text_from_latex(text: str) -> str:
    """Return the text with accents, formulas and commands as Unicode."""
    if not _MARKUP.search(text):
        return text
    return "".join(_plain(stretch) for stretch in _stretches(text))


def _stretches(text: str) -> Iterator[str]:
    """Yield the words of the text, those together that one group or formula spans."""
    words, held, depth, formula = _WORD.findall(text), "", 0, False
    for word in words:
        held += word
        braces = _BRACE.findall(word)
        depth += braces.count("{") - braces.count("}")
        formula ^= len(_DOLLAR.findall(word)) % 2 == 1
        if len(held) <= _LONGEST and (depth > 0 or formula or _ACCENT.search(word)):
            continue
        yield held
        held, depth, formula = "", 0, False
    if held:
        yield held


@lru_cache(maxsize=20_000)
def _plain(stretch: str) -> str:
    if len(stretch) > 2 * _LONGEST or not _MARKUP.search(stretch):
        return stretch
    source = _COMMENT.sub(r"\\%", stretch.lstrip())
    space = stretch[: len(stretch) - len(stretch.lstrip())]
    try:
        return space + str(_decoder().latex_to_text(source))
    except Exception:  # noqa: BLE001 - whatever it stumbles on, the source is the better text
        return stretch


@cache
def _decoder() -> Any:  # noqa: ANN401 - pylatexenc has no types
    from pylatexenc.latex2text import (  # type: ignore[import-untyped]
        LatexNodes2Text,
        MacroTextSpec,
        get_default_latex_context_db,
    )

    known = get_default_latex_context_db()
    known.add_context_category(
        "papers",
        prepend=True,
        macros=[
            MacroTextSpec("url", simplify_repl="%s"),
            *(MacroTextSpec(name, simplify_repl=sign) for name, sign in _SIGNS.items()),
        ],
    )
    known.set_unknown_macro_spec(MacroTextSpec("", simplify_repl=_name_of_unknown))
    return LatexNodes2Text(latex_context=known, math_mode="text", keep_comments=True)


def _name_of_unknown(node: Any) -> str:  # noqa: ANN401
    r"""Return an author's own symbol by its name (`\XQM`); a command before a group goes."""
    following = node.parsing_state.s[node.pos + node.len :][:1]
    return "" if following == "{" else str(node.macroname)
