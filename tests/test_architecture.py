"""The shape of the program: imports run one way, and each library has one place."""

import ast
import subprocess
import sys

import paths
import pytest

PACKAGE = paths.ROOT / "qa"

# Along the data flow: a layer imports only from layers before it. Imports in functions count.
LAYERS = [
    *("errors", "config", "progress"),
    "corpus",
    "llm",  # before the index: a server of chat models embeds too
    *("index", "retrieval"),
    "answering",
    *("export", "tracing"),
    "library",
    *("llama_index", "mcp", "web", "cli"),
    "__main__",
]

LIBRARIES = {
    "bibtexparser": ["corpus/readers/bibtex.py", "export/bibtex.py"],
    "charset_normalizer": ["corpus/readers/encoding.py"],
    "chromadb": ["index/"],
    "chromadb_rust_bindings": ["index/chroma_engine.py"],
    "llama_index": ["corpus/chunking.py", "llama_index/"],
    "mcp": ["mcp/"],
    "mcp_types": ["mcp/"],
    "onnx": ["index/embedding/minilm_graph.py"],
    "onnxruntime": ["index/embedding/minilm.py"],
    "openai": ["llm/", "index/embedding/openai.py"],
    "opentelemetry": ["tracing/"],
    "prompt_toolkit": ["cli/line_editor.py"],
    "jinja2": ["web/pages.py"],
    "pylatexenc": ["corpus/readers/latex.py"],
    "pydantic": ["mcp/", "web/history.py"],
    "rispy": ["corpus/readers/tagged.py", "export/ris.py"],
    "starlette": ["web/"],
    "tokenizers": ["index/embedding/minilm.py"],
    "typer": ["cli/"],
    "uvicorn": ["mcp/transport.py", "web/server.py"],
    "workflows": ["answering/events.py", "answering/pipeline.py"],
    "xllamacpp": ["llm/llama_cpp/process.py"],
    "yaml": ["corpus/readers/markdown.py"],
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


def layer(name):
    """The layer of a module of ours by its dotted name below `qa`; None for the public API."""
    return name.split(".")[0] or None


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_along_the_data_flow(path):
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here == "__init__":  # the public API: it names what lies anywhere
        return
    for name in imports(path):
        package, _, inside = name.partition(".")
        if package == "qa" and layer(inside) in LAYERS and layer(inside) != here:
            assert LAYERS.index(layer(inside)) < LAYERS.index(here), f"{here} imports {name}"


def test_the_top_of_the_package_is_its_layers():
    top = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix != ".toml"}
    assert top - {"__init__", "__pycache__"} == set(LAYERS)


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
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}


def loaded_after(code):
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_help_loads_nothing_heavy():
    loaded = loaded_after("import qa.cli.app")
    assert not loaded & {*HEAVY, "chromadb", "workflows", "onnxruntime", "numpy", "rich.console"}


def test_an_ask_loads_no_framework_that_it_does_not_need(seeds):
    asking = "import sys\nfrom qa.cli.app import ask_app\nsys.stdout = open('/dev/null', 'w')\n"
    asking += "ask_app(['which papers prune networks?'], standalone_mode=False)\n"
    loaded = loaded_after(f"{asking}sys.stdout = sys.__stdout__")
    assert "onnxruntime" in loaded
    assert not loaded & {*HEAVY, "mcp", "opentelemetry", "prompt_toolkit", "xllamacpp", "chromadb"}
