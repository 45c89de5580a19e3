"""The hypotheses a study can register, with criterion and family. No verdicts here.

They are to be written down before the data of the study that names them; its provenance keeps them as they then were.

A study file lists the numbers of those it registers; `report.verdicts` gives their verdicts. The texts take the margins of the
study file: {margin}, {planted} and {exit_margin} in percent, {points} of accuracy, {middle} the middle layer.
"""

from dataclasses import dataclass

EXIT_MARGIN = 0.05  # of equivalence of early-exit latency
LEAST_SEEDS = 5  # for a claim about training: with fewer, an interval over seeds excludes "no change" too easily
MIDDLE = 7 / 12  # the official code reads layer 7 of 12 (13 of 24) for Tatoeba
POINTS = 1.0  # that early exit may lose if a study does not say
INT8_POINTS = 1.0  # a loss of quality by int8 that does not matter, in points


@dataclass(frozen=True)
class Hypothesis:
    """A claim, and when it counts as confirmed or refuted; otherwise it is undecided."""

    says: str
    criterion: str


HYPOTHESES = {
    "H1": Hypothesis(
        "Dense latency is equivalent to that of duration 0, at every duration, engine and batch size.",
        "Two one-sided tests with a margin of {margin} % on the log ratio, Holm over all cells. Refuted where a cell is "
        "different: a two-sided test, Holm over the same cells.",
    ),
    "H2": Hypothesis(
        "The protocol is neither biased nor blind.",
        "Every A/A interval covers 1; every planted {planted} % is found. Refuted where one fails; a failure makes the "
        "timings unusable. Undecided where timings are unusable for another reason.",
    ),
    "H3": Hypothesis(
        "Intermediate training changes target quality relative to duration 0, and by more than the same steps on the target.",
        "Longest duration, mean over languages, on the same items: the intervals of the difference to duration 0 and of the "
        "difference to the control exclude 0 on the same side. Level 1 − .05/n for n pairs of target and intermediate "
        "task (Bonferroni). Confirmed if it holds for every pair; refuted if for one the two differences exclude 0 on "
        "opposite sides. A retrieval target, on which nothing is trained, has no control: there the first difference "
        "counts alone. Undecided with fewer than {seeds} seeds.",
    ),
    "H4": Hypothesis(
        "Retrieval from the last layer falls with duration, and by more than from the middle layer.",
        "Longest duration: the 95 % intervals of the change at the last layer, and of that change minus the change at the "
        "middle layer, lie below 0. The middle is layer {middle}: the official code reads 7 of 12. Refuted where one lies "
        "above 0. Undecided with fewer than {seeds} seeds.",
    ),
    "H5": Hypothesis(
        "Tokens per message differ more between languages than latency does between durations.",
        "Confirmed where the range over languages of tokens relative to English is wider than that from the lowest to the "
        "highest end of an interval of a latency ratio; refuted where it is narrower than the range of the ratios.",
    ),
    "H6": Hypothesis(
        "With early exit, duration changes latency: the threshold is calibrated for each checkpoint on English.",
        "Longest duration, one request at a time, mean over languages: the 95 % interval of the ratio to duration 0, which "
        "resamples seeds, calibration rows, items and processes, excludes 1 and is not within ±{exit_margin} %. Refuted "
        "where it lies within. Undecided with fewer than {seeds} seeds.",
    ),
    "H7": Hypothesis(
        "An exit calibrated to lose at most {points} point of English accuracy loses more than that in other languages.",
        "Longest duration, mean over the other languages: the 95 % interval of the points lost lies above {points}. Refuted "
        "where it lies below. Undecided with fewer than {seeds} seeds.",
    ),
    "H8": Hypothesis(
        "Dynamic int8 costs at most {int8} point of quality, at every duration.",
        "The target's score by int8 minus that of the reference, on the same rows, mean over timed languages: the 95 % t "
        "interval over seeds lies above −{int8} at every duration. Refuted where one lies below.",
    ),
    "H9": Hypothesis(
        "Duration does not change the language tax, the ratio of a language's latency to that of English.",
        "Longest duration over duration 0, the first engine that ran, batch 1: the 90 % interval of the ratio of the two "
        "taxes lies within ±{margin} % in every timed language. Refuted where a 95 % interval with Bonferroni over "
        "languages lies outside.",
    ),
}


def middle(depth: int) -> int:
    """The layer that stands for the middle of so many."""
    return max(1, round(MIDDLE * depth))


def texts(margin: float, planted: float, points: float | None, depth: int) -> dict[str, tuple[str, str]]:
    """Number -> (hypothesis, criterion), with a study's margins (fractions), points and layers.

    `points` that early exit may lose, None if the study has no early exit.
    """
    values = {
        "margin": f"{100 * margin:g}",
        "planted": f"{100 * planted:g}",
        "exit_margin": f"{100 * EXIT_MARGIN:g}",
        "points": f"{POINTS if points is None else points:g}",
        "int8": f"{INT8_POINTS:g}",
        "seeds": LEAST_SEEDS,
        "middle": middle(depth),
    }
    return {number: (one.says.format(**values), one.criterion.format(**values)) for number, one in HYPOTHESES.items()}
