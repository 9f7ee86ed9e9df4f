"""Numbers in texts: every form is read, and two texts that state the same agree."""
# ruff: noqa: RUF001 (the signs that numbers are written with are the matter here)

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.answering.verify.numbers import Sort, Unit, find_quantities
from qa.answering.verify.paper_facts import facts_of


def readings(text):
    return {(float(r.value), r.unit) for q in find_quantities(text) for r in q.readings}


PERCENT = [
    "94.5%",
    "94.5 %",
    "94.5 \\%",
    "94.50%",
    "sim94.5%",
    "94,5 %",
    "94.5 percent",
    "**94.5**%",
]
TIMES = [
    "10times",
    "10x",
    "10×",
    "$10\\times$",
    "10-fold",
    "ten times",
    "tenfold",
    "by a factor of 10",
]
THOUSANDS = ["1024", "1,024", "1{,}024", "1 024", "1\u202f024", "１０２４", "1.024k"]
BILLIONS = ["1.3B", "1.3 billion", "1300M", "1.3 \\times 10^9", "1.3×10⁹", "13e8"]


@pytest.mark.parametrize("text", PERCENT)
def test_shares_are_read(text):
    assert (94.5, Unit.PERCENT) in readings(text)


@pytest.mark.parametrize("text", TIMES)
def test_factors_are_read(text):
    assert (10.0, Unit.TIMES) in readings(text)


@pytest.mark.parametrize("text", THOUSANDS)
def test_thousands_are_read(text):
    assert (1024.0, Unit.PLAIN) in readings(text)


@pytest.mark.parametrize("text", BILLIONS)
def test_large_numbers_are_read(text):
    assert (1.3e9, Unit.PLAIN) in readings(text)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("10^{19} networks", 1e19, Unit.PLAIN),
        ("twenty-one tasks", 21, Unit.PLAIN),
        ("two hundred tasks", 200, Unit.PLAIN),
        ("a dozen tasks", 12, Unit.PLAIN),
        ("half the memory", 50, Unit.PERCENT),
        ("a quarter of it", 25, Unit.PERCENT),
        ("two-thirds of it", 67, Unit.PERCENT),
        ("1/4 of it", 0.25, Unit.PLAIN),
        ("twice as fast", 2, Unit.TIMES),
        ("two orders of magnitude", 100, Unit.TIMES),
        ("2-3x", 2, Unit.TIMES),
        ("61.2 to 67.1%", 61.2, Unit.PERCENT),
        ("the 2000th task", 2000, Unit.PLAIN),
        ("8-bit", 8, Unit.PLAIN),
        ("256times256", 256, Unit.PLAIN),
        ("20 absolute percentage points", 20, Unit.PERCENT),
        ("-0.998", 0.998, Unit.PLAIN),
        ("77. 7%", 77.7, Unit.PERCENT),
        ("LLaMA2-13B", 13e9, Unit.PLAIN),
    ],
)
def test_other_forms_are_read(text, value, unit):
    assert (float(value), unit) in readings(text)


def test_digits_of_a_name_belong_to_the_name():
    text = "GPT-2, ResNet-50-based, CIFAR-10/100, S4, D^3, ViT-B/16, Llama3.1-8B, top-1, Pass@1"
    found = find_quantities(text)
    assert {q.sort for q in found} == {Sort.NAME}
    written = "GPT-2 ResNet-50 CIFAR-10 CIFAR-100 S4 D^3 ViT-B/16 Llama3.1-8B top-1 Pass@1"
    assert " ".join(quantity.written for quantity in found) == written


def test_links_and_list_numbers_are_no_quantities():
    assert find_quantities("(1) see https://a.b/c2 and 2) see github.com/a/b3, [55]") == ()


@pytest.mark.parametrize("length", [41, 5000])
def test_a_number_too_long_to_be_one_is_compared_as_it_is_written(length):
    for text in ["9" * length, "10^" + "9" * length, "1/" + "3" * length, "1e" + "9" * length]:
        assert all(q.sort is Sort.NAME for q in find_quantities(text))
        assert all(facts_of(text).has(q) for q in find_quantities(text))


def states(source, text):
    return all(facts_of(source).has(quantity) for quantity in find_quantities(text))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("1.4M parameters", "1.4 million parameters"),
        ("ResNet-50 on CIFAR-10/100", "ResNet50 on CIFAR-10 and CIFAR100"),
        ("LLaMA2-7B", "LLaMA2 with 7 billion parameters"),
        ("speedup factors between 2.1 and 26", "2.1x to 26x faster"),
        ("31,465 nodes", "roughly 31,000 nodes"),
        ("accuracy of 94.5%", "accuracy of 0.945"),
        ("(1) a, (2) b, and (3) c", "three ideas"),
        ("both methods", "two methods"),
        ("a 44-layer and a 110-layer plain network", "networks with 44 and 110 layers"),
        ("from 70M to 7B", "between 70 million and 7B"),
        ("10 000 or even 20 000", "20,000"),
        ("Llama 3", "Llama-3"),
        ("AP_{50}^{val}", "AP50"),
    ],
)
def test_the_same_is_known_in_another_form(source, text):
    assert states(source, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("94.5%", "94%"),
        ("94.5%", "about 94.9%"),
        ("1.5x", "about 2x"),
        ("10x faster", "10% faster"),
        ("10% of data", "10 datasets"),
        ("two datasets and three models", "three datasets"),
        ("GPT-3.5", "GPT-3"),
        ("GPT-2", "GPT-3"),
        ("CIFAR-100", "CIFAR-10"),
        ("10^{19}", "10^18"),
        ("7B", "7M"),
        ("both methods", "three methods"),
        ("95%", "over 94%"),
    ],
)
def test_what_is_not_stated_is_not_known(source, text):
    assert not states(source, text)


NUMBERS = st.decimals(min_value=0, max_value=10**6, places=2).map(str) | st.integers(0, 10**9).map(
    str
)
UNITS = st.sampled_from(
    ["", "%", " %", "x", " times", "k", "M", " billion", "-bit", "ms", " points"]
)


@given(st.lists(st.tuples(NUMBERS, UNITS), min_size=1, max_size=5))
def test_a_text_states_what_stands_in_it(numbers):
    text = "We see " + ", then ".join(number + unit for number, unit in numbers) + "."
    assert states(text, text)


@given(st.integers(2, 10**6), st.sampled_from(["%", "x", " million", ""]))
def test_another_number_is_never_known(number, unit):
    source, text = f"it is {number}{unit} here", f"it is {number + 1}{unit} here"
    assert not states(source, text)
    assert states(source, source)


@given(st.text())
def test_any_text_can_be_read(text):
    for quantity in find_quantities(text):
        assert 0 <= quantity.start < quantity.end <= len(text)
        assert all(isinstance(r.value, Fraction) for r in quantity.readings)
