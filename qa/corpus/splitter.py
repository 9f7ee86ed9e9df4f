"""LlamaIndex's sentence splitter, without the rest of LlamaIndex.

A package of LlamaIndex imports all that is in it, from agents to databases: 0.9 s and 35 MB more
than the splitter needs. Here the packages around it are put in place with their code put off; once
the splitter is there they are taken away again, so that whoever wants LlamaIndex gets it whole.
"""

import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.node_parser import SentenceSplitter

_CORE = "llama_index.core"
_PACKAGES = (_CORE, f"{_CORE}.node_parser", f"{_CORE}.node_parser.text")


Cut = Callable[[str], list[str]]  # text → its parts
Make = Callable[[int, Cut, Cut], Cut]


def sentence_splitter(size: int, *, tokens: Cut, sentences: Cut) -> Cut:
    """Return what cuts a text into chunks of at most so many tokens, without overlap."""
    return _maker()(size, tokens, sentences)


@cache
def _maker() -> Make:
    """Return what makes splitters: alone where LlamaIndex is not there yet, or of the whole."""
    if _CORE not in sys.modules:
        try:
            return _alone()
        except (ImportError, AttributeError):  # another LlamaIndex than the one known here
            pass
        finally:
            _forget()
    from llama_index.core.node_parser import SentenceSplitter

    return _making(SentenceSplitter)


def _alone() -> Make:
    for name in _PACKAGES:
        _put_off(name)
    vars(sys.modules[_CORE])["global_handler"] = None  # as it is until somebody sets one
    from llama_index.core.node_parser.text.sentence import SentenceSplitter

    make = _making(SentenceSplitter)
    make(100, str.split, str.split)("a text")  # what it imports on the way, it has to import now
    return make


def _making(splitter: "type[SentenceSplitter]") -> Make:
    callbacks = _callbacks()

    def make(size: int, tokens: Cut, sentences: Cut) -> Cut:
        return splitter(
            chunk_size=size,
            chunk_overlap=0,
            # Both are given, always: the defaults download a tokenizer and nltk's models.
            tokenizer=tokens,
            chunking_tokenizer_fn=sentences,
            callback_manager=callbacks,
        ).split_text

    return make


def _forget() -> None:
    """Undo all that has been imported of LlamaIndex's core."""
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{_CORE}.")]:
        del sys.modules[name]
    if "llama_index" in sys.modules:
        vars(sys.modules["llama_index"]).pop("core", None)


def _callbacks() -> "CallbackManager":
    """Return what tells nobody anything: without a handler it would look for one everywhere."""
    from llama_index.core.callbacks.base import CallbackManager
    from llama_index.core.callbacks.base_handler import BaseCallbackHandler

    class Nobody(BaseCallbackHandler):
        def start_trace(self, *_: object, **__: object) -> None: ...
        def end_trace(self, *_: object, **__: object) -> None: ...
        def on_event_end(self, *_: object, **__: object) -> None: ...
        def on_event_start(self, *_: object, event_id: str = "", **__: object) -> str:
            return event_id

    return CallbackManager([Nobody([], [])])


def _put_off(name: str) -> None:
    """Have a package in place, so that its modules can be imported, without running its code."""
    from importlib.util import find_spec, module_from_spec

    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"there is no {name}", name=name)
    package = module_from_spec(spec)
    package.__class__ = _PutOff
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    setattr(sys.modules[parent], child, package)


class _PutOff(ModuleType):
    """A package that runs its code when something is wanted of it that is not there."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever is in it)
        self.__class__ = ModuleType  # type: ignore[assignment]
        if self.__spec__ is not None and self.__spec__.loader is not None:
            self.__spec__.loader.exec_module(self)
        return getattr(self, name)
