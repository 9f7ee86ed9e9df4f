"""What the tokens of an answer cost in dollars; the prices are in `prices.toml`."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from qa.llm.endpoint import Endpoint
from qa.llm.messages import Usage

SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")  # gpt-4o-mini-2024-07-18 costs what gpt-4o-mini does
MILLION = 1_000_000  # tokens, for which the prices are given


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    input: float
    cached: float
    output: float


def price(model: str, *, base_url: str | None = None) -> Price | None:
    """Return the model's price at OpenAI; None if unknown, or if `base_url` is another server."""
    if base_url and not Endpoint.of(None, base_url).is_openai:
        return None
    return _prices().get(SNAPSHOT.sub("", model))


def cost_usd(model: str, usage: Usage, *, base_url: str | None = None) -> float | None:
    """Return what `usage` costs in dollars, or None where the price is not known."""
    known = price(model, base_url=base_url)
    if known is None:
        return None
    fresh = usage.prompt_tokens - usage.cached_tokens
    sent = fresh * known.input + usage.cached_tokens * known.cached
    return (sent + usage.completion_tokens * known.output) / MILLION


@cache
def _prices() -> dict[str, Price]:
    table = tomllib.loads(files("qa.llm").joinpath("prices.toml").read_text(encoding="utf-8"))
    return {model: Price(**dollars) for model, dollars in table["models"].items()}
