"""A chat model that judges by the labels of a question file and writes an answer citing all."""

import json
import re

import paths
from judges import ANSWERING

QUESTIONS = paths.TESTS / "seed_questions.jsonl"
_JUDGED = re.compile(r"^\[(P\d+)\] (.*)\n((?:\(\d+\) .*\n?)+)", re.MULTILINE)
_GIVEN = re.compile(r"^\[(\d+)\] (.*) \(answers (fully|partly)\)$", re.MULTILINE)


def labelled(path=QUESTIONS):
    lines = path.read_text(encoding="utf-8").splitlines()
    return {entry["question"]: entry for entry in map(json.loads, lines)}


def _entrance_labels(question):
    """Return what a model that judges well knows of the entrance test."""
    return {"relevant": [ANSWERING[question]]} if question in ANSWERING else {}


class LabelModel:
    """The scripted model of a ChatServer: `ChatServer(model=LabelModel())`."""

    def __init__(self, path=QUESTIONS):
        self._questions = labelled(path)
        self.judged = []

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        question = re.search(r"^Question: (.*)$", prompt, re.MULTILINE)[1]
        if "Judge these" in prompt:
            labels = self._questions.get(question) or _entrance_labels(question)
            return self._verdicts(labels, prompt)
        return self._answer(prompt)

    def _verdicts(self, labels, prompt):
        entries = []
        for key, title, _ in _JUDGED.findall(prompt):
            self.judged.append(title)
            relevance = (
                "yes"
                if title in labels.get("relevant", ())
                else "partly"
                if title in labels.get("partial", ())
                else "no"
            )
            sentences = [1] if relevance != "no" else []
            entries.append({"key": key, "relevance": relevance, "sentences": sentences})
        return json.dumps({"papers": entries})

    def _answer(self, prompt):
        lines = [f"- {title} qualifies [{n}]." for n, title, _ in _GIVEN.findall(prompt)]
        return "These papers qualify:\n" + "\n".join(lines)
