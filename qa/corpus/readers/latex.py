"""LaTeX in titles, names and abstracts, turned into plain text by pylatexenc.

pylatexenc takes about 8 ms for an abstract, and loses the rest of a text after one brace too many.
So it gets only the stretches that have markup: they are short, and most of them are in a cache.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

_MARKUP = re.compile(r"[\\{}$~]|--|``|''")
_WORD = re.compile(r"\s*\S+")
_MAX_STRETCH = 2000  # characters of one formula or group; a longer one is an unclosed brace
_ACCENT = re.compile(r"\\[cvuHkrdbt]$")  # `Fran\c cois`: its letter is in the next word
_PERCENT = re.compile(r"(?<!\\)%")  # many exporters leave percent signs unescaped
_BRACE = re.compile(r"(?<!\\)[{}]")
_SIGNS = {  # macros for signs that pylatexenc drops or replaces by others
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
    """Yield the text word by word, but a group or formula of several words in one."""
    stretch, depth, formula = "", 0, False
    for word in _WORD.findall(text):
        stretch += word
        braces = _BRACE.findall(word)
        depth += braces.count("{") - braces.count("}")
        formula ^= len(_DOLLAR.findall(word)) % 2 == 1
        if len(stretch) <= _MAX_STRETCH and (depth > 0 or formula or _ACCENT.search(word)):
            continue
        yield stretch
        stretch, depth, formula = "", 0, False
    if stretch:
        yield stretch


@lru_cache(maxsize=20_000)
def _plain(stretch: str) -> str:
    if len(stretch) > 2 * _MAX_STRETCH or not _MARKUP.search(stretch):
        return stretch
    source = _PERCENT.sub(r"\\%", stretch.lstrip())
    space = stretch[: len(stretch) - len(stretch.lstrip())]
    try:
        return space + str(_decoder().latex_to_text(source))
    except Exception:  # noqa: BLE001 - whatever it raises, the source is still readable
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
    r"""Return the name of an author's own symbol, as `\XQM`; empty for a command before a group."""
    following = node.parsing_state.s[node.pos + node.len :][:1]
    return "" if following == "{" else str(node.macroname)
