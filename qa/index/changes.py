"""Changes: what became of a corpus's papers since the generation before."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Changes:
    """The ids of papers by what became of them."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int

    @classmethod
    def between(cls, before: dict[str, bytes], after: dict[str, bytes]) -> "Changes":
        """Compare two sets of papers by their digests."""
        return cls(
            new=tuple(key for key in after if key not in before),
            changed=tuple(key for key in after if before.get(key, after[key]) != after[key]),
            removed=tuple(key for key in before if key not in after),
            unchanged=sum(before.get(key) == after[key] for key in after),
        )

    @property
    def operations(self) -> int:
        """How many papers must be put in or taken out."""
        return len(self.new) + 2 * len(self.changed) + len(self.removed)
