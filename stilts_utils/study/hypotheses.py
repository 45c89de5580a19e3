"""The hypotheses a study can register, with criterion and family. No verdicts here.

They are to be written down before the data of the study that names them; its provenance keeps them as they then were. One that
is younger than a study's data is exploratory there, see `kind`.

A study file lists the numbers of those it registers; `report.verdicts` gives their verdicts. The texts take the margins of the
study file: {margin}, {planted} and {exit_margin} in percent, {points} of accuracy, {middle} the middle layer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

EXIT_MARGIN = 0.05  # of equivalence of early-exit latency
LEAST_SEEDS = 5  # for a claim about training: with fewer, an interval over seeds excludes "no change" too easily
MIDDLE = 7 / 12  # the official code reads layer 7 of 12 (13 of 24) for Tatoeba
POINTS = 1.0  # that early exit may lose if a study does not say
INT8_POINTS = 1.0  # a loss of quality by int8 that does not matter, in points
RETRIEVAL_POINTS = 1.0  # a change of retrieval that does not matter, in points
FIXED_EXIT = 0.9  # the threshold of H10
CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
FIRST, SECOND = "2026-11-25", "2026-11-27"  # dates of registration; `git log` of this file has the commits


@dataclass(frozen=True)
class Hypothesis:
    """A claim, and when it counts as confirmed or refuted; otherwise it is undecided.

    `registered`: the date of its present criterion. `kind`: what it was meant as; see `kind` for what it is in a study.
    """

    says: str
    criterion: str
    registered: str = FIRST
    kind: str = CONFIRMATORY


HYPOTHESES = {
    "H1": Hypothesis(
        "Dense latency is equivalent to that of duration 0, at every duration, engine and batch size.",
        "Two one-sided tests with a margin of {margin} % on the log ratio, Holm over all cells. Refuted where a cell is "
        "different: a two-sided test, Holm over the same cells.",
    ),
    "H2": Hypothesis(
        "The protocol is neither biased nor blind.",
        "Every A/A ratio is equivalent to 1 within {margin} % and its 99 % interval covers 1; the 95 % interval of every "
        "planted {planted} % excludes 1 and the 99 % interval covers {planted} %. Refuted where an A/A interval excludes 1 or "
        "a planted one its size. Undecided where one is too wide, or timings are unusable for another reason.",
        SECOND,
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
    "H10": Hypothesis(
        "With early exit at a fixed threshold of {fixed_exit}, duration changes latency.",
        "Longest duration, one request at a time, mean over languages, paired by seed: the 95 % interval of the ratio to "
        "duration 0 excludes 1 and is not within ±{exit_margin} %. Refuted where it lies within. The ratio is that of latency "
        "by a line through measured depths; where nothing was timed or the timings are unusable, that of the mean exit layer. "
        "Undecided with fewer than {seeds} seeds.",
        SECOND,
    ),
    "H11": Hypothesis(
        "With early exit, duration changes latency at equal accuracy.",
        "Longest duration, mean over languages, paired by seed: the log ratio of the two latencies at equal accuracy, averaged "
        "over the accuracies that both frontiers reach; verdict as in H10.",
        SECOND,
    ),
    "H12": Hypothesis(
        "A threshold chosen at duration 0 to lose at most {points} point of English accuracy, and kept after more training, "
        "loses more English accuracy than it did.",
        "Longest duration, paired by seed: the 95 % interval of the points lost to full depth, minus those lost at duration 0, "
        "lies above 0. Refuted where it lies below {points}. Undecided with fewer than {seeds} seeds.",
        SECOND,
    ),
    "H13": Hypothesis(
        "Retrieval from the best layer changes with duration.",
        "Longest duration, every retrieval target and intermediate task, paired by seed, best layer against best layer, each "
        "chosen on one half of the languages and scored on the other: the 95 % interval of the change, with Bonferroni over "
        "the pairs, excludes 0. Refuted where one lies within ±{retrieval} points. Undecided with fewer than {seeds} seeds.",
        SECOND,
    ),
    "H14": Hypothesis(
        "Duration does not change throughput under load.",
        "Longest duration over duration 0 in the same process: samples/s of Offline and the largest rate of Server, every "
        "engine; the 95 % interval over processes lies within ±{margin} %. Refuted where one excludes 1 and is not within.",
        SECOND,
    ),
    "H15": Hypothesis(
        "With early exit at a threshold chosen for each checkpoint under risk control, duration changes latency.",
        "As H10, with the threshold of Learn then Test on all calibration rows: with 95 % probability, at most {points} % of "
        "English rows that full depth has right are wrong by the exit.",
        SECOND,
        EXPLORATORY,
    ),
}


def kind(number: str, date: str, stored: bool) -> str:
    """What a hypothesis is in a study of a date. `stored`: whether the study's runs stored it as it is today.

    Confirmatory only if it was meant so and written before the study's data: on an earlier date, or on the same one if the
    study's runs stored it. Dates are ISO.
    """
    one = HYPOTHESES[number]
    before = one.registered < date or (one.registered == date and stored)
    return CONFIRMATORY if before and one.kind == CONFIRMATORY else EXPLORATORY


def of_study(listed: Iterable[str], date: str) -> list[str]:
    """The hypotheses on which a study of a date has something to say: those that it lists, and those written since."""
    since = [number for number, one in HYPOTHESES.items() if one.registered >= date]
    return [number for number in HYPOTHESES if number in {*listed, *since}]


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
        "fixed_exit": f"{FIXED_EXIT:g}",
        "retrieval": f"{RETRIEVAL_POINTS:g}",
        "seeds": LEAST_SEEDS,
        "middle": middle(depth),
    }
    return {number: (one.says.format(**values), one.criterion.format(**values)) for number, one in HYPOTHESES.items()}
