"""The tool `fill_table`: a table with the proof of each cell, for assistants."""

import pytest
from chat_server import ChatServer
from mcp_clients import BACKPROP, call, text_of
from table_model import COLUMNS, LABELS, TableModel

IDS = list(LABELS["papers"])[:6]
TEXTS = [f"{name}: {asks}" for name, asks in COLUMNS.items()]


@pytest.fixture
def chat(seeds):
    with ChatServer(model=TableModel()) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        seeds.setenv("QA_MODEL", "scripted")
        yield server


def test_cells_come_with_the_sentence_that_proves_them(chat):
    result = call("fill_table", columns=TEXTS, ids=IDS)
    table = result.structured_content
    assert [row["id"] for row in table["rows"]] == IDS
    cells = dict(zip(table["columns"], table["rows"][2]["cells"], strict=True))
    assert cells["Code"]["answer"] == "yes"
    assert cells["Code"]["value"] in cells["Code"]["proof"]
    assert cells["Data sets"] == {"state": "not_stated"}
    assert "ForwardGNN" in text_of(result)


def test_a_question_chooses_the_papers(chat):
    table = call("fill_table", columns=["Method"], question=BACKPROP).structured_content
    asked = call("ask", question=BACKPROP, max_papers=100).structured_content
    assert [row["id"] for row in table["rows"]] == [paper["id"] for paper in asked["papers"]]
    assert table["coverage"].startswith("Read ")


def test_without_a_model_the_assistant_is_told_to_fill_it(seeds):
    table = call("fill_table", columns=TEXTS, ids=IDS).structured_content
    assert "model" not in table
    cells = [cell for row in table["rows"] for cell in row["cells"]]
    assert not any("value" in cell for cell in cells)
    assert any("proof" in cell for cell in cells)  # the sentence nearest to the column's words
    assert "No model filled these cells" in table["next"][0]


@pytest.mark.parametrize("arguments", [{}, {"ids": IDS, "question": BACKPROP}])
def test_either_a_question_or_ids_are_needed(seeds, arguments):
    result = call("fill_table", columns=["Method"], **arguments)
    assert result.is_error
    assert "Give a question" in text_of(result)
