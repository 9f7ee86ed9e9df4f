"""The shape of the program: imports run one way, and each library has one place."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "qa"

# Along the data flow: a room imports only from rooms before it. Imports in functions count.
ROOMS = [
    *("errors", "filters", "progress", "terminal_text", "sentences", "papers", "config", "prompts"),
    *("terms", "readers", "splitter", "chunks", "embedding", "store", "documents"),
    *("questions", "rank", "feedback"),
    *("chat", "cost"),
    *("local",),
    *("results", "wire", "verdict_schema", "judge", "verdicts", "answer"),
    *("citations", "check"),
    *("mentions", "followup", "conversation"),
    *("reading", "retrieval", "listing", "events", "conclusion", "pipeline"),
    *("tracing", "rebuilding", "library", "api"),
    *("evaluate",),
    *("export", "options"),
    *("wrapping", "marking", "render", "narration", "terminal"),
    *("answers_file", "asking", "backlog", "batch", "browsing", "upkeep", "scoring"),
    *("line_editor", "saving", "talk", "chatting"),
    *("llama_index", "mcp"),
    *("cli", "__main__"),
]

LIBRARIES = {
    "bibtexparser": ["readers/bibtex.py", "export/bibtex.py"],
    "charset_normalizer": ["readers/text.py"],
    "chromadb": ["store/"],
    "llama_index": ["splitter.py", "llama_index/"],
    "llama_index_instrumentation": ["tracing/questions.py"],
    "mcp": ["mcp/"],
    "mcp_types": ["mcp/"],
    "onnx": ["embedding/graph.py"],
    "onnxruntime": ["embedding/minilm.py"],
    "openai": ["chat/", "embedding/endpoint.py"],
    "opentelemetry": ["tracing/"],
    "prompt_toolkit": ["line_editor.py"],
    "pylatexenc": ["readers/latex.py"],
    "pydantic": ["mcp/"],
    "rispy": ["readers/tagged.py", "export/ris.py"],
    "tokenizers": ["embedding/minilm.py"],
    "typer": [
        *("cli.py", "options.py", "asking.py", "batch.py", "browsing.py", "upkeep.py", "scoring.py")
    ],
    "uvicorn": ["mcp/serving.py"],
    "workflows": ["events.py", "pipeline.py"],
    "xllamacpp": ["local/llama.py"],
    "yaml": ["readers/document.py"],
}

# What a plain `ask` without a chat model must not load: each costs more than the whole answer.
HEAVY = ["llama_index.core", "openai", "torch", "onnx", "transformers"]


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from names if node.module == "qa" else [node.module]


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_along_the_data_flow(path):
    here = room(path)
    if here == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "qa" and len(parts) > 1 and parts[1] in ROOMS and parts[1] != here:
            assert ROOMS.index(parts[1]) < ROOMS.index(here), f"{here} imports {parts[1]}"


def test_every_module_has_its_place():
    assert {room(path) for path in modules()} - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_is_imported_in_one_place(library):
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        if any(name.split(".")[0] == library for name in imports(path))
    }
    allowed = tuple(LIBRARIES[library])
    assert users
    assert [user for user in users if not user.startswith(allowed)] == []


def names(path):
    """Every name that is read or imported in a module."""
    tree = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    found = {node.attr for node in tree if isinstance(node, ast.Attribute)}
    found |= {node.id for node in tree if isinstance(node, ast.Name)}
    return found | {
        alias.name for node in tree if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_only_config_reads_the_environment():
    readers = [path.name for path in modules() if names(path) & {"environ", "getenv", "getenvb"}]
    assert readers == ["config.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_a_drawer(path):
    assert path.stem not in {"utils", "util", "helpers", "common", "misc", "base"}


def loaded_after(code):
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_help_loads_nothing_heavy():
    loaded = loaded_after("import qa.cli")
    assert not loaded & {*HEAVY, "chromadb", "workflows", "onnxruntime", "numpy", "rich.console"}


def test_an_ask_loads_no_framework_that_it_does_not_need(seeds):
    asking = "import sys\nfrom qa.cli import ask_app\nsys.stdout = open('/dev/null', 'w')\n"
    asking += "ask_app(['which papers prune networks?'], standalone_mode=False)\n"
    loaded = loaded_after(f"{asking}sys.stdout = sys.__stdout__")
    assert "onnxruntime" in loaded
    assert not loaded & {*HEAVY, "mcp", "opentelemetry", "prompt_toolkit", "xllamacpp", "chromadb"}
