"""The one vocabulary of verdicts on an effect, and the rule that gives one from an interval. Pure.

An effect is `equivalent` to none if its interval lies within the margin, `changed` if its interval excludes 0 and it is not
equivalent, otherwise `undecided`, with half the width of the interval. It is `not learned` where a model is below the floor of
its task, and `not measured` where there are no data, or data that a failed control forbids to use. Tables, sentences and the
outcomes of hypotheses take their words from here.
"""

from dataclasses import dataclass

EQUIVALENT, CHANGED, UNDECIDED = "equivalent", "changed", "undecided"
NOT_LEARNED, NOT_MEASURED = "not learned", "not measured"
KINDS = (EQUIVALENT, CHANGED, UNDECIDED, NOT_LEARNED, NOT_MEASURED)


@dataclass(frozen=True)
class Verdict:
    """`direction` of a change: 1 up, -1 down, otherwise 0. `half_width` of the interval, in its units; NaN without one.

    Raises ValueError for another kind, or a direction that does not fit the kind.
    """

    kind: str
    direction: int = 0
    half_width: float = float("nan")

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"verdict: kind is {self.kind!r}, allowed: {', '.join(KINDS)}")
        allowed = (1, -1) if self.kind == CHANGED else (0,)
        if self.direction not in allowed:
            raise ValueError(f"verdict: direction is {self.direction}, allowed for {self.kind}: {allowed}")

    def says(self, write=lambda value: f"{value:.1f}") -> str:
        """The verdict in words: `undecided (half-width 1.2)`; `write` writes a half-width."""
        return f"{self.kind} (half-width {write(self.half_width)})" if self.kind == UNDECIDED else self.kind


def of_interval(low: float, high: float, margin: float = 0.0, inner: tuple[float, float] | None = None) -> Verdict:
    """The verdict on an effect from its interval at 1 - alpha, in the effect's own units, where 0 is no effect.

    margin: the largest effect that does not matter; with 0, none is called equivalent. inner: the interval at 1 - 2 alpha, by
    which two one-sided tests at alpha decide (Schuirmann 1987); without one, the wider interval has to lie within the margin.
    Raises ValueError if an interval is upside down or the margin negative.
    """
    least, most = inner or (low, high)
    if not (low <= high and least <= most and margin >= 0):
        raise ValueError(
            f"interval is {low} to {high}, inner {least} to {most}, margin {margin}; allowed: low to high, margin from 0"
        )
    if -margin < least and most < margin:
        return Verdict(EQUIVALENT, half_width=(high - low) / 2)
    if low > 0 or high < 0:
        return Verdict(CHANGED, 1 if low > 0 else -1, (high - low) / 2)
    return Verdict(UNDECIDED, half_width=(high - low) / 2)


def with_seeds(verdict: Verdict, seeds: int, least: int) -> Verdict:
    """A verdict on an effect of training: with fewer seeds than are needed for a claim, it is undecided."""
    decided = verdict.kind in (EQUIVALENT, CHANGED)
    return Verdict(UNDECIDED, half_width=verdict.half_width) if decided and seeds < least else verdict
