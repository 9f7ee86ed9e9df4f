"""Entries that are far too long are skipped, in little memory and without waiting for minutes."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

LIMIT = 300  # MB: half of what a rebuild may take
CODE = """
import re, sys
from pathlib import Path
from qa.corpus.papers import Record
from qa.corpus.readers.corpus import read_corpus
entries = list(read_corpus(Path(sys.argv[1])).records())
print([entry.title if isinstance(entry, Record) else entry.reason for entry in entries])
# Not ru_maxrss: that begins with what the process that started this one had.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""
BEFORE_AND_AFTER = {
    "a.bib": (
        "@misc{a, title={T}, abstract={We sleep.}}\n@misc{b, title={L}, abstract={",
        "}}\n@misc{c, title={U}, abstract={We work.}}\n",
    ),
    "a.ris": (
        "TY  - J\nTI  - T\nAB  - We sleep.\nER  - \nTY  - J\nTI  - L\nAB  - ",
        "\nER  - \nTY  - J\nTI  - U\nAB  - We work.\nER  - \n",
    ),
    "a.csv": ('title,abstract\nT,We sleep.\nL,"', '"\nU,We work.\n'),
    "a.jsonl": (
        '{"title": "T", "abstract": "We sleep."}\n{"title": "L", "abstract": "',
        '"}\n{"title": "U", "abstract": "We work."}\n',
    ),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("name", BEFORE_AND_AFTER)
@pytest.mark.parametrize("megabytes", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_an_entry_that_unpacks_to_very_much_is_skipped(tmp_path, name, megabytes):
    before, after = BEFORE_AND_AFTER[name]
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w") as out,
    ):
        out.write(before.encode())
        for _ in range(megabytes):
            out.write(b"word " * 200_000)
        out.write(after.encode())
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True
    )
    entries, peak = done.stdout.splitlines()
    assert entries == "['T', 'longer than 10 MB', 'U']"
    assert int(peak) < LIMIT
