"""Telling languages apart."""

import paths
import pytest

from qa.config import bundled
from qa.corpus.language import language_of, other_languages
from qa.corpus.papers import Record
from qa.corpus.readers.corpus import read_corpus


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("We study how the tides of the sea are driven by the moon in this paper.", "English"),
        ("Wir zeigen, dass die Gezeiten nicht nur von dem Mond bewegt werden.", "German"),
        ("Este artículo presenta un método para la clasificación de textos con redes.", "Spanish"),
        ("Nous montrons que les marées sont dues à la lune dans une mer peu profonde.", "French"),
        ("As marés não são movidas pela lua, mas por uma força do mar.", "Portuguese"),
        ("La marea è mossa dalla luna e non dal vento nel mare della baia.", "Italian"),
        ("We laten zien dat het getij door de maan wordt bewogen en niet door de wind.", "Dutch"),
        ("我们研究潮汐如何由月球驱动。", "Chinese"),
        ("潮の満ち引きが月によって起こることを示す。", "Japanese"),
        ("Мы показываем, что приливы вызваны луной.", "Russian"),
        ("Tides", None),
        ("BERT GPT-4 ResNet-50 ImageNet CIFAR-10 MNIST SVHN GLUE SQuAD 92.4 81.3", None),
    ],
)  # fmt: skip
def test_language_is_told_by_frequent_words_or_script(text, language):
    assert language_of(text) == language


def test_papers_of_the_seeds_are_english_but_one():
    records = [r for r in read_corpus(bundled("seeds")).records() if isinstance(r, Record)]
    told = {record.title: language_of(record.abstract) for record in records}
    assert {title: language for title, language in told.items() if language != "English"} == {
        "Apuntes de Redes Neuronales Artificiales": "Spanish"
    }


def test_shares_are_those_of_all_texts():
    german = paths.TESTS / "fixtures" / "german"
    texts = [record.abstract for record in read_corpus(german).records()]
    assert other_languages(texts) == {"German": 1.0}
    assert other_languages([*texts[:1], "Tides", "The tides of the sea are in the bay now."]) == {
        "German": pytest.approx(1 / 3)
    }
