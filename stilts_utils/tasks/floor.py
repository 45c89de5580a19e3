"""The floor of a task: the English score from which a model counts as having learned it.

Floors are fixed in the registry, before the runs that they judge. The rule: at least `LEAST_ABOVE` points above the best
English score that needs no understanding (`scoring.shortcuts`, or chance), or half the way to 100 where that is less; and
within what a small encoder reaches in some hundred steps. No run reads a floor, so that changing one repeats nothing.
"""

from dataclasses import dataclass

LEAST_ABOVE = 5  # points above the best shortcut


@dataclass(frozen=True)
class Floor:
    """`score` and `shortcut`, the best English score without understanding, are in the units of the task's metric (0-100).

    `reason`: a sentence. Raises ValueError for a floor that breaks the rule.
    """

    score: float
    shortcut: float
    reason: str

    def __post_init__(self):
        if not 0 <= self.shortcut < 100:
            raise ValueError(
                f"floor: shortcut is {self.shortcut}, allowed: 0 to 100, a score that needs no understanding"
            )
        least = self.shortcut + min(LEAST_ABOVE, (100 - self.shortcut) / 2)
        if not least <= self.score <= 100:
            raise ValueError(
                f"floor: score is {self.score}, allowed: {least:g} to 100, which is above the shortcut's {self.shortcut:g}; "
                "`scoring.shortcuts.shortcut_scores` measures shortcuts"
            )
        if not self.reason.endswith("."):
            raise ValueError(
                f"floor: reason is {self.reason!r}, allowed: a sentence that says why the floor lies there"
            )

    @property
    def above(self) -> float:
        """Points above the best shortcut."""
        return self.score - self.shortcut
