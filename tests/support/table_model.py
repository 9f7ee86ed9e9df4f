"""A chat model that judges by the labels of the seed questions and fills tables by labelled cells.

    with ChatServer(model=TableModel()) as server: ...

`spoil` turns each labelled cell into a wrong one before it is sent.
"""

import json
import re

import paths
from scripted_model import LabelModel

LABELS = json.loads((paths.TESTS / "table_labels.json").read_text(encoding="utf-8"))
COLUMNS = LABELS["columns"]  # name: what it asks for
_COLUMN = re.compile(r"^\[(C\d+)\] (.*?)(?::.*)?$", re.MULTILINE)
_TITLE = re.compile(r"^\[P1\] (.*)$", re.MULTILINE)


class TableModel(LabelModel):
    """Fills the cells of the labelled papers, which it knows by their titles."""

    def __init__(self, spoil=None):
        super().__init__()
        self._cells = {LABELS["titles"][id_]: cells for id_, cells in LABELS["papers"].items()}
        self._spoil = spoil or (lambda label: label)
        self.asked = []  # (title, column) of each cell

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        if "<columns>" not in prompt:
            return super().__call__(body)
        title = _TITLE.search(prompt)[1]
        entries = []
        for key, name in _COLUMN.findall(prompt.partition("</columns>")[0]):
            self.asked.append((title, name))
            label = self._cells.get(title, {}).get(name)
            sentence, words, *answer = self._spoil(label) if label else (0, "")
            entries.append(
                {"key": key, "sentence": sentence, "words": words, "answer": "".join(answer)}
            )
        return json.dumps({"cells": entries})
