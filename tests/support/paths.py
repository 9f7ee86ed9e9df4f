"""Where the tests find the repository and their own files."""

from pathlib import Path

SUPPORT = Path(__file__).parent
TESTS = SUPPORT.parent
ROOT = TESTS.parent
CORPORA = TESTS / "fixtures" / "corpora"
README = ROOT / "README.md"
DOCS = ROOT / "docs"
