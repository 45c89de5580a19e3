"""Which models have learned their task: the English score against the floor of the registry. Pure.

A target counts by its models at duration 0, the mean over seeds of the English score; an arm by every one of its tasks at its
longest duration, the mean over seeds of the score on held-out rows of its own. What is below its floor takes part in no
verdict. Retrieval, on which nothing is trained, has no floor.

Results that are older than the table `validation` lack an arm's scores. There a stand-in, the training loss, can say that a
task of k answers was not learned: in the last tenth of its steps it stayed above `STAYS` of ln k, the loss of guessing. It
never says that a task was learned.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from stilts_utils.analysis.verdict import NOT_LEARNED, NOT_MEASURED
from stilts_utils.study.arms import CONTROL, PRETRAINED
from stilts_utils.tasks import TRAINING_LANGUAGE, Task, task

LEARNED, NO_FLOOR = "learned", "no floor"
STAYS, LAST = 0.95, 0.1  # share of the loss of guessing, and of the steps
MODEL = ["target", "intermediate", "duration"]


@dataclass(frozen=True)
class Learned:
    """`models`: per (target, intermediate, duration) English `score`, `floor` and `standing`; `arms`: per (intermediate, task)
    `duration`, `score`, `floor`, `standing` and `by`, what says so. A standing is learned, not learned, not measured or no
    floor; scores that are not measured are NaN.
    """

    models: pd.DataFrame
    arms: pd.DataFrame

    def target(self, name: str) -> bool:
        """Whether effects on a target count: its models at duration 0 are not below the floor."""
        return name not in self._targets_below

    def arm(self, name: str) -> bool:
        """Whether effects of an arm count: none of its tasks is known to be below its floor."""
        return name not in self._arms_below

    @cached_property
    def _targets_below(self) -> set[str]:
        rows = self.models[(self.models.intermediate == PRETRAINED) & (self.models.standing == NOT_LEARNED)]
        return set(rows.target)

    @cached_property
    def _arms_below(self) -> set[str]:
        return set(self.arms.intermediate[self.arms.standing == NOT_LEARNED])


def standing(score: float, floor: float) -> str:
    """What a score says; NaN: not measured, or no floor."""
    if np.isnan(floor):
        return NO_FLOOR
    return NOT_MEASURED if np.isnan(score) else LEARNED if score >= floor else NOT_LEARNED


def floor_of(name: str) -> float:
    """The floor of a task, NaN if it has none."""
    floor = task(name).floor
    return floor.score if floor else np.nan


def models(scores: pd.DataFrame, targets: list[str], depth: int) -> pd.DataFrame:
    """`Learned.models` from the table `scores`: English, last layer, the official metric, without the control."""
    kept = (scores.language == TRAINING_LANGUAGE) & (scores.layer == depth) & (scores.intermediate != CONTROL)
    english = scores[kept & (scores.metric == scores.target.map(lambda name: task(name).metric))]
    means = english.groupby(MODEL).score.mean()
    arms = scores.loc[scores.intermediate != CONTROL, MODEL].drop_duplicates().sort_values(MODEL)
    rows = arms[arms.target.isin(targets)].itertuples(index=False, name=None)
    found = [(*model, means.get(model, np.nan), floor_of(model[0])) for model in rows]
    return _standing(pd.DataFrame(found, columns=[*MODEL, "score", "floor"]))


def arms(validation: pd.DataFrame, training: pd.DataFrame, tasks: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """`Learned.arms` from the tables `validation` and `training`; `tasks` are those of every arm."""
    found = []
    for arm, name in ((arm, name) for arm, names in tasks.items() for name in names):
        rows = validation[(validation.intermediate == arm) & (validation.task == name)]
        rows = rows[rows.metric == task(name).metric]
        longest = rows.duration.max() if len(rows) else 0
        score = rows.score[rows.duration == longest].mean()
        found.append((arm, name, longest, score, floor_of(name), "held-out rows" if len(rows) else ""))
    frame = _standing(pd.DataFrame(found, columns=["intermediate", "task", "duration", "score", "floor", "by"]))
    for at, row in frame[frame.standing == NOT_MEASURED].iterrows():
        if len(tasks[row.intermediate]) == 1 and guesses(training, row.intermediate, answers(task(row.task))):
            frame.loc[at, ["standing", "by"]] = NOT_LEARNED, "training loss"
    return frame


def answers(entry: Task) -> int:
    """Among how many answers a decision of a task is made, 0 if its entry does not say."""
    if entry.shape == "pair":
        return len(entry.labels)
    choices = entry.train[-1][0] if entry.shape == "choice" and entry.train else None
    if not choices:
        return 0
    given = choices.columns["choices"]
    return len(choices.classes) or (len(given) if isinstance(given, tuple) else 0)


def guesses(training: pd.DataFrame, arm: str, count: int) -> bool:
    """Whether the loss of an arm's trajectory stayed near that of guessing among so many answers, mean over seeds."""
    rows = training[(training.intermediate == arm) & (training.target == PRETRAINED)]
    if rows.empty or count < 2:
        return False
    return bool(rows.loss[rows.step > (1 - LAST) * rows.step.max()].mean() > STAYS * np.log(count))


def exits(recorded: pd.DataFrame, target: str) -> str:
    """Whether the model with exits has learned its target: at duration 0, English, full depth. recorded: the table `exits`.

    Its answers say how often it is right, which is the score of a target scored by accuracy alone.
    """
    rows = recorded[(recorded.language == TRAINING_LANGUAGE) & (recorded.duration == 0)]
    rows = rows[(rows.split == "evaluation") & (rows.layer == recorded.layer.max())]
    known = task(target).metric == "accuracy"
    return standing(100 * rows.correct.mean() if known else np.nan, floor_of(target))


def _standing(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(standing=[standing(*pair) for pair in zip(frame.score, frame.floor, strict=True)])
