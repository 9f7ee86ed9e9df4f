"""Prices and what calls cost."""

import pytest

from qa.llm.messages import Usage
from qa.llm.models import DEFAULT_MODEL
from qa.llm.pricing import Price, cost_usd, price

MILLION = Usage(calls=3, prompt_tokens=1_000_000, completion_tokens=1_000_000)


def test_cost_is_tokens_times_price():
    assert cost_usd("gpt-4o-mini", MILLION) == pytest.approx(0.15 + 0.60)


def test_cached_tokens_cost_less():
    usage = Usage(1, prompt_tokens=1_000_000, completion_tokens=0, cached_tokens=1_000_000)
    assert cost_usd("gpt-4o-mini", usage) == pytest.approx(0.075)


def test_a_dated_snapshot_costs_what_its_model_does():
    assert price("gpt-4o-mini-2024-07-18") == price("gpt-4o-mini") == Price(0.15, 0.075, 0.60)


def test_the_default_model_has_a_price():
    assert price(DEFAULT_MODEL)


@pytest.mark.parametrize("model", ["llama3.3", "", "gpt-4o-mini-audio", "openai/gpt-4o-mini"])
def test_an_unknown_model_has_no_price(model):
    assert price(model) is None
    assert cost_usd(model, MILLION) is None


def test_another_server_has_no_price_for_the_same_name():
    assert price("gpt-4o-mini", base_url="http://localhost:8000/v1") is None
    assert price("gpt-4o-mini", base_url="https://api.openai.com/v1/")
