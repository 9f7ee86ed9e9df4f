"""Scores this program's ranking without a chat model on a labelled corpus in the BEIR form.

FOLDER holds `corpus.jsonl` ({"_id", "title", "text"}), `queries.jsonl` ({"_id", "text"}) and
`qrels.tsv` (a header, then query, document and grade). The corpus goes through our own reader and
`qa rebuild`. The last line is one JSON object.

    python benchmarks/retrieval.py FOLDER [--store FOLDER]
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

from our_program import OurProgram, read_papers
from ranker import open_retriever

from qa.corpus.papers import Paper, title_key
from qa.index.dedupe import same_abstract

Grades = Mapping[str, int]  # document → grade


def main() -> None:
    """Rank every judged query, and print the measures as one JSON object."""
    given = _arguments()
    corpus = given.folder / "corpus.jsonl"
    judgements = read_judgements(given.folder / "qrels.tsv")
    queries = {id_: text for id_, text in read_queries(given.folder) if id_ in judgements}
    documents, lost = documents_of(corpus)
    with tempfile.TemporaryDirectory() as scratch:
        program = OurProgram(corpus, given.store or Path(scratch))
        built = program.rebuild()
        rankings, milliseconds = rank(program, queries, documents, given.ranking)
    result = {
        "ranking": given.ranking,
        "ndcg_at_10": round(fmean(ndcg(rankings[q], judgements[q], 10) for q in queries), 4),
        "recall_at_100": round(fmean(recall(rankings[q], judgements[q], 100) for q in queries), 4),
        "queries": len(queries),
        "papers": len(documents),
        "documents_lost": lost,  # of the corpus, not read as papers: they count as not found
        "shortest_ranking": min(map(len, rankings.values())),
        "rebuild_s": round(built.seconds, 1),
        "query_ms": round(median(milliseconds), 1),
    }
    for name, value in result.items():
        print(f"{name:<18}{value}")
    print(json.dumps(result))


def read_judgements(path: Path) -> dict[str, dict[str, int]]:
    """Return the grades above 0 of each query that has any."""
    judgements: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            judgements[query][document] = int(grade)
    return dict(judgements)


def read_queries(folder: Path) -> Iterable[tuple[str, str]]:
    """Yield each query's id and text."""
    for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        query = json.loads(line)
        yield query["_id"], query["text"]


def documents_of(corpus: Path) -> tuple[dict[str, list[str]], int]:
    """Return the documents that each of our papers stands for, and how many are in none.

    Our ids are made of titles, and documents that are one paper are merged, so the way back from
    a paper to its documents is by title and abstract.
    """
    papers: defaultdict[str, list[Paper]] = defaultdict(list)
    for paper in read_papers(corpus):
        papers[title_key(paper.title)].append(paper)
    documents: dict[str, list[str]] = {p.id: [] for same in papers.values() for p in same}
    lost = 0
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            same = papers.get(title_key(document["title"]), [])
            found = [
                p for p in same if len(same) == 1 or same_abstract(document["text"], p.abstract)
            ]
            lost += not found
            for paper in found[:1]:
                documents[paper.id].append(document["_id"])
    return documents, lost


def rank(
    program: OurProgram,
    queries: Mapping[str, str],
    documents: Mapping[str, Sequence[str]],
    ranking: str,
) -> tuple[dict[str, list[str]], list[float]]:
    """Return each query's documents, best first, and the milliseconds each ranking took."""
    rankings, milliseconds = {}, []
    with open_retriever(program) as retriever:
        for done, (query, text) in enumerate(queries.items(), start=1):
            began = time.perf_counter()
            search = retriever.rank_unjudged(text) if ranking == "alone" else retriever.rank(text)
            ids = search.ranking.ids
            milliseconds.append(1000 * (time.perf_counter() - began))
            rankings[query] = [document for id_ in ids for document in documents[id_]]
            if done % 100 == 0:
                print(f"{done} of {len(queries)} queries", file=sys.stderr)
    return rankings, milliseconds


def ndcg(ranking: Sequence[str], grades: Grades, depth: int) -> float:
    """Return nDCG at a depth with linear gains, as trec_eval computes it."""
    gains = [grades.get(document, 0) for document in ranking[:depth]]
    return _discounted(gains) / _discounted(sorted(grades.values(), reverse=True)[:depth])


def _discounted(gains: Iterable[int]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))


def recall(ranking: Sequence[str], grades: Grades, depth: int) -> float:
    """Return the share of the relevant documents that stand within the depth."""
    return len(grades.keys() & set(ranking[:depth])) / len(grades)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--store", type=Path, help="a folder to keep the store in; default: none")
    parser.add_argument(
        "--ranking",
        choices=("alone", "first"),
        default="alone",
        help="alone: as an answer without a model ranks; first: what a judge begins with",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
