"""The check of an answer: every fault is found where it stands, and nothing else is."""
# ruff: noqa: RUF001 (answers use quotation marks and dashes of many kinds)

import json
from itertools import pairwise

import paths
import pytest
from chat_server import ChatServer
from hypothesis import given
from hypothesis import strategies as st
from planted_faults import scripted_answer
from scripted_model import LabelModel

import qa as package
from qa.answering.verify.checks import AnswerChecker
from qa.config import bundled
from qa.corpus.papers import Record, as_paper
from qa.corpus.sentences import split_sentences


def check_answer(answer, papers, *, question="", has_title=lambda _: False, counts=()):
    """What is wrong with a whole answer, in the order of its text."""
    checker = AnswerChecker(papers, question=question, has_title=has_title, counts=counts)
    checker.feed(answer)
    checker.finish()
    return checker.findings


TESTS = paths.TESTS
PAPERS = {
    1: (
        "NoProp: Training Neural Networks without Back-propagation",
        "We reach 94.5\\% on CIFAR-10 with 10times less memory. It needs one update in 3 layers.",
    ),
    2: ("Scalable Forward-Forward Algorithm", "FF has two forward passes. See https://a.org/ff2."),
    3: ("Hopfield Networks is All You Need", "We review 75 papers. Accuracy falls by half."),
}


def found(answer, **options):
    return [(f.kind, answer[f.start : f.end]) for f in check_answer(answer, PAPERS, **options)]


@pytest.fixture(scope="session")
def corpus():
    """The papers of the seeds: a title is the short line before a long one."""
    pages = sorted(bundled("seeds").glob("*.txt"))
    lines = [
        line for page in pages for line in page.read_text(encoding="utf-8").splitlines() if line
    ]
    pairs = {
        title.removeprefix("Subscribe"): abstract
        for title, abstract in pairwise(lines)
        if len(title) < 300 < len(abstract)
    }
    return [as_paper(Record(title, abstract, "seeds")) for title, abstract in pairs.items()]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_answer_without_fault_has_no_finding():
    answer = (
        "Two papers train without backprop:\n\n"
        "1. **NoProp** [1]: 94.5% on CIFAR-10 in three layers, with tenfold less memory. [1]\n"
        "2. *Scalable Forward-Forward Algorithm* [2] – needs “two forward passes” [2].\n\n"
        "Nothing in the abstracts tells how they scale."
    )
    assert found(answer) == []


@pytest.mark.parametrize("marker", ["[4]", "[0]", "[P1]", "【9】", "[^7]", "[2019]", "[#4]"])
def test_a_citation_of_no_paper_is_found(marker):
    assert [kind for kind, _ in found(f"It works [1]{marker}.")] == ["unknown_citation"]


def test_the_unknown_one_of_several_is_the_one_found():
    assert found("It works [1, 9] and more [2-5].") == [
        ("unknown_citation", "9"),
        ("unknown_citation", "2-5"),
    ]


def test_a_sentence_without_citation_is_found():
    answer = "It works [1]. It is fast. It is small. [2]\n\n- An item\n- Another one [3]"
    assert found(answer) == [
        ("uncited_sentence", "It is fast."),
        ("uncited_sentence", "An item"),
    ]


def test_a_table_row_without_citation_is_found():
    answer = "| Paper | Result |\n|---|---|\n| NoProp [1] | good |\n| FF | better |"
    assert found(answer) == [("uncited_sentence", "| FF | better |")]


WRONG = "94.6% 9.45% 95% CIFAR-100 100x twelve 4 ResNet-50 10^19 5M 94.5x one-third 10% 1,000"
RIGHT = (
    "94.5%|94.5 percent|94,5 %|94.50 %|**94.5**%|0.945|about 95%|CIFAR 10|CIFAR10|10x|10×|ten times"
    "|tenfold|a factor of 10|3-layer|three layers|only one update"
)


@pytest.mark.parametrize("wrong", WRONG.split())
def test_a_number_that_no_cited_abstract_has_is_found(wrong):
    assert found(f"It reaches {wrong} [1].") == [
        ("unsupported_number", wrong.split(" layers")[0])
    ] or (
        wrong in {"95 %", "a third of it"}
        and [kind for kind, _ in found(f"It reaches {wrong} [1].")] == ["unsupported_number"]
    )


@pytest.mark.parametrize("right", RIGHT.split("|"))
def test_a_number_is_known_in_every_form(right):
    assert found(f"It is {right} [1].") == []


def test_a_number_must_stand_in_a_paper_that_its_sentence_cites():
    assert found("It reaches 94.5% [2].") == [("unsupported_number", "94.5%")]


def test_counts_of_papers_are_checked_against_the_citations():
    assert found("Two papers do so [1, 2].") == []
    assert found("All three papers do so [1]. They differ [2, 3].") == []
    assert found("It reviews 75 papers [3].") == []
    assert found("The following 2 papers do so:\n- It works [1].\n- It works [2].") == []
    (wrong,) = check_answer("Five papers do so [1, 2].", PAPERS)
    assert (wrong.kind, wrong.start) == ("wrong_count", 0)
    assert found("We read 60 papers [1].", counts=[60]) == []


def test_a_quotation_that_is_not_word_for_word_is_found():
    assert found("“we reach 94.5% on CIFAR-10 with 10times less memory” [1]") == []
    assert found('"It needs one … in 3 layers" [1]') == []
    wrong = "“It needs only one update in 3 layers”"
    assert found(f"{wrong} [1]") == [("misquote", wrong)]
    assert found("> It never needs a second update\n\nIt works [1].")[0][0] == "misquote"


def test_the_question_may_be_quoted():
    question = "which papers train without backprop?"
    assert found(f"For “{question}” see [1].", question=question) == []


def test_a_title_that_no_paper_bears_is_found():
    for wrong in ["Scalable Forward-Backward Algorithm", "Some Paper That Does Not Exist"]:
        assert found(f"- **{wrong}** [2]: it works [2].") == [("unknown_title", wrong)]
        assert found(f"- **{wrong}** [2]: it works [2].", has_title=wrong.__eq__) == []


def test_a_label_in_bold_is_no_title():
    assert found("**Local learning rules:** it works [1].\n\n**Key Point:** it is small [1].") == []


def test_a_title_before_the_number_of_another_paper_is_found():
    title = PAPERS[3][0]
    assert found(f"**{title}** [2] works.") == [("wrong_title", title)]


def test_an_address_that_no_abstract_has_is_found():
    assert found("The code is at https://a.org/ff2. [2]") == []
    assert found("The code is at https://a.org/ff3 [2].") == [("unknown_link", "https://a.org/ff3")]


def test_an_answer_that_breaks_off_in_a_marker_is_found():
    assert found("It works [1]. It is fast [2")[-1] == ("unknown_citation", "[2")


def test_findings_know_their_place_and_say_it_in_a_sentence():
    answer = "It works [1]. It reaches 99% [1]."
    (finding,) = check_answer(answer, PAPERS)
    assert answer[finding.start : finding.end] == "99%"
    assert finding.detail == "“99%” does not stand in the abstract of [1]."


LISTED = pytest.param("- **Note**: {} [1]", marks=pytest.mark.slow)
BELOW = pytest.param("{}\n[1]", marks=pytest.mark.slow)


@pytest.mark.parametrize("form", ["{} [1]", LISTED, BELOW])
def test_no_sentence_of_the_seeds_raises_an_alarm(corpus, form):
    alarms = [
        finding
        for paper in corpus
        for sentence in split_sentences(paper.abstract)
        for finding in check_answer(form.format(sentence.text), {1: (paper.title, paper.abstract)})
        if finding.kind != "unknown_citation"  # abstracts have [55] and [2020] of their own
    ]
    assert alarms == []


def test_no_faithful_paraphrase_raises_an_alarm(corpus):
    abstracts = {paper.title: paper.abstract for paper in corpus}
    cases = lines(TESTS / "fixtures" / "paraphrases.jsonl")
    alarms = [
        (case["text"], finding.detail)
        for case in cases
        for finding in check_answer(
            case["text"].rstrip(".") + " [1].", {1: (case["title"], abstracts[case["title"]])}
        )
    ]
    assert len(cases) > 100
    assert alarms == []


def test_no_answer_or_quote_of_the_seed_questions_raises_an_alarm(corpus):
    abstracts = {paper.title: paper.abstract for paper in corpus}
    for case in lines(TESTS / "seed_questions.jsonl"):
        papers = {n: (title, abstracts[title]) for n, title in enumerate(case["relevant"], 1)}
        said = [case[key] for key in ("answer", "quote") if key in case]
        said += case.get("points", [])
        for text in said:
            answer = f"{text} {''.join(f'[{n}]' for n in papers)}"
            assert check_answer(answer, papers, question=case["question"]) == ()


MANY = [150, pytest.param(1000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", MANY)
def test_scripted_answers_without_fault_raise_no_alarm(corpus, count):
    for seed in range(count):
        answer = scripted_answer(corpus, seed, faults=False)
        alarms = [(f.kind, f.detail) for f in check_answer(answer.text, answer.papers)]
        assert alarms == [], answer.text


@pytest.mark.parametrize("count", MANY)
def test_every_fault_of_scripted_answers_is_found_and_nothing_else(corpus, count):
    planted = 0
    for seed in range(count):
        answer = scripted_answer(corpus, seed, faults=True)
        findings = check_answer(answer.text, answer.papers)
        planted += len(answer.faults)
        for kind, start, end in answer.faults:
            hits = [f for f in findings if f.start < end and start < f.end and f.kind == kind]
            assert hits, (kind, answer.text[start:end], answer.text)
        for finding in findings:
            assert any(s < finding.end and finding.start < e for _, s, e in answer.faults), (
                finding,
                answer.text,
            )
    assert planted > 2 * count


PIECES = [
    "It works",
    ".",
    " [1]",
    "[9]",
    "[P2]",
    "\n",
    "\n\n",
    "- ",
    "**",
    "|",
    "“",
    "”",
    '"',
    "94.5%",
]
PIECES += [
    " 10^19",
    " half",
    " 2-3x",
    "1/0",
    "9" * 60,
    " papers",
    "two",
    "#",
    "> ",
    "```",
    "[",
    "]",
]
ANSWERS = st.text() | st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(ANSWERS)
def test_any_text_can_be_checked(text):
    for finding in check_answer(text, PAPERS, question=text):
        assert 0 <= finding.start < finding.end <= len(text)
        assert finding.detail


SENTENCES = [
    "Five papers do so [1]. ",
    "Is it **Some Paper That Does Not Exist** [2]? ",
    "“It needs only one update in 3 layers” [1] is fast. ",
    "It reaches 99% [1][2]. ",
    "It is fast. [2] shows it. ",
    "\n- It is fast\n- Others:\n  - FF [2]\n",
    "\n| Paper | b |\n| --- | --- |\n| FF | 1 |\n| it [3] | 7% |\n",
    "\n> It never needs a second update. It never\n> does so. [1]\n\n",
    "See https://a.org/ff3 [2]. ",
]
LONG_ANSWERS = ANSWERS | st.lists(st.sampled_from([*SENTENCES, *PIECES])).map("".join)


def fed(answer, sizes):
    """Return the checker after an answer in pieces of these sizes, and what it returned."""
    checker, start, returned = AnswerChecker(PAPERS), 0, []
    for size in sizes:
        returned.append(checker.feed(answer[start : start + size]))
        start += size
    returned += [checker.feed(answer[start:]), checker.finish()]
    return checker, returned


@given(LONG_ANSWERS, st.lists(st.integers(1, 12), max_size=200))
def test_findings_are_the_same_however_the_answer_is_cut(answer, sizes):
    checker, returned = fed(answer, sizes)
    assert checker.findings == check_answer(answer, PAPERS)
    handed_over = [finding for checked in returned for finding in checked.findings]
    assert sorted(handed_over, key=lambda f: (f.start, f.end, f.kind)) == list(checker.findings)


@given(LONG_ANSWERS, st.lists(st.integers(1, 12), max_size=200))
def test_texts_are_together_the_answer_and_a_mark_is_never_behind_them(answer, sizes):
    _, returned = fed(answer, sizes)
    shown = 0
    for checked in returned:
        assert all(shown <= f.mark <= shown + len(checked.text) for f in checked.findings)
        assert [f.mark for f in checked.findings] == sorted(f.mark for f in checked.findings)
        shown += len(checked.text)
    assert "".join(checked.text for checked in returned) == answer.rstrip()


def test_a_sentence_is_checked_when_the_next_one_begins():
    checker = AnswerChecker(PAPERS)
    assert checker.feed("It is fast. It").findings == ()
    assert [f.kind for f in checker.feed(" works").findings] == ["uncited_sentence"]


def test_an_answer_without_spaces_is_returned_while_it_comes():
    assert len(AnswerChecker(PAPERS).feed("它很快它很快它很快").text) == 8


class NamingModel(LabelModel):
    """A model that answers with titles of its own choice."""

    def __init__(self, titles):
        super().__init__()
        self._named = titles

    def _answer(self, _):
        return "\n".join(f"- **{title}** [1]: it works [1]." for title in self._named)


def test_a_title_of_the_corpus_outside_the_answer_is_no_unknown_title(seeds):
    real = "Inducing Neural Collapse in Deep Long-tailed Learning"
    wrong = "Avoiding Neural Collapse with Balanced Classifiers"
    assert found(f"- **{real}** [1]: it works [1].") == [("unknown_title", real)]
    with ChatServer(model=NamingModel([real, real.upper(), wrong])) as server:
        seeds.setenv("OPENAI_BASE_URL", server.url)
        with package.open_corpus() as library:
            answer = library.ask("which papers train without backprop?")
    assert real not in {paper.title for paper in answer.papers}
    (warning,) = [w.detail for w in answer.warnings if w.kind == "unknown_title"]
    assert warning == f"No paper is called “{wrong}”"


@given(ANSWERS)
def test_no_unknown_citation_escapes(text):
    kinds = [kind for kind, _ in found(f"{text}\n\nIt works [4]. ")]
    assert "unknown_citation" in kinds
