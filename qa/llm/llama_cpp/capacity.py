"""How much of the machine a local model gets: tokens of context, questions at once, processors."""

import os
from dataclasses import dataclass
from pathlib import Path

from qa.llm.llama_cpp.model_file import ModelFile

CONTEXT = 8_192  # tokens of one call: forty papers by their proving sentences, and the answer
SLOTS = 4  # calls at once: more makes each slower than all together gain
MEMORY = 2 << 30  # bytes that the context may take beside the weights
UNKNOWN = 256 << 10  # bytes a token, where the file does not say: those of a large model
STEP = 256  # tokens; llama.cpp rounds to this
HALF = 2  # bytes of a number in the context's cache
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # how containers are kept to a part of the processors


@dataclass(frozen=True, slots=True)
class Capacity:
    """What llama.cpp is told to take."""

    context: int  # tokens of one call, prompt and reply
    slots: int  # calls at once

    @classmethod
    def of(cls, file: ModelFile) -> "Capacity":
        """As much context as the work needs, the model was trained on and memory allows."""
        affordable = MEMORY // (_bytes_per_token(file) or UNKNOWN)
        context = min(CONTEXT, file.trained_context or CONTEXT, max(affordable, STEP))
        context = max(STEP, context // STEP * STEP)
        return cls(context, max(1, min(SLOTS, affordable // context)))


def threads() -> int | None:
    """Processors to use where this process may not use all; None: llama.cpp counts the cores."""
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    allowed = min(allowed, _quota() or machine)
    return allowed if allowed < machine else None


def _quota() -> int | None:
    """The processors that the container may use, rounded up; None if that is not limited."""
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def _bytes_per_token(file: ModelFile) -> int:
    """What the cache keeps for each token: a key and a value, of each layer's heads."""
    heads = file.number("attention.head_count")
    width = file.number("embedding_length") // heads if heads else 0
    key = file.number("attention.key_length") or width
    value = file.number("attention.value_length") or width
    kept = file.number("attention.head_count_kv") or heads
    return file.number("block_count") * kept * (key + value) * HALF
