"""Progress below a cell that trains or scores, for whoever watches: step, loss and seconds left.

Training is watched from outside. Its code, and with it the identity of runs, does not know of it; nothing random is drawn, and
nothing is written but a line on a page.
"""

import functools
import html
import os
import time

from IPython.display import display

from stilts_utils.study.place import MARK
from stilts_utils.training.evaluation import Evaluation
from stilts_utils.training.trajectory import Training

EDITORS = ("JPY_SESSION_NAME", "VSCODE_PID")  # environment variables of kernels that JupyterLab and VS Code start
PAUSE = 0.2  # seconds between two updates


def watched() -> bool:
    """Whether someone sees the page while it runs: in an editor, neither in a run of a study nor under papermill alone."""
    return MARK not in os.environ and any(name in os.environ for name in EDITORS)


class Line:
    """One line below a cell, rewritten as work goes on."""

    def __init__(self, what: str, total: int, unit: str, done: int = 0):
        self.what, self.total, self.unit, self.first = what, total, unit, done
        self.began, self.shown = time.monotonic(), 0.0
        self._handle = display(self._page(done, ""), raw=True, display_id=True)

    def update(self, done: int, more: str = "") -> None:
        """Say how far it is; the last update is never left out."""
        if done >= self.total or time.monotonic() - self.shown > PAUSE:
            self._handle.update(self._page(done, more), raw=True)
            self.shown = time.monotonic()

    def _page(self, done: int, more: str) -> dict:
        elapsed, text, bar = time.monotonic() - self.began, f"{self.what}: {self.unit}", ""
        if self.total > 1:
            text += f" {min(done, self.total)} of {self.total}"
        if done < self.total:
            bar = f'<progress value="{done}" max="{self.total}" aria-label="{html.escape(self.what)}"></progress> '
            left = elapsed * (self.total - done) / (done - self.first) if done > self.first else None
            text += more if left is None else f"{more}, {left:.0f} s left"
        else:
            text += f"{more}, after {elapsed:.0f} s"
        return {"text/html": f"{bar}<span>{html.escape(text)}</span>", "text/plain": text}


def show() -> None:
    """Show progress from now on in this kernel, if someone watches."""
    if watched() and not hasattr(Training.run, "__wrapped__"):
        Training.run = _of_training(Training.run)
        Training._one_step = _of_step(Training._one_step)
        Evaluation.of_model = _of_scoring(Evaluation.of_model)
        Evaluation.of_encoder = _of_scoring(Evaluation.of_encoder)


def _of_training(run):
    @functools.wraps(run)
    def shown(training: Training, until: int) -> Training:
        names = ", ".join(lesson.task.name if lesson.task else "beside" for lesson in training.lessons)
        training.line = Line(names, until, "step", training.step) if training.step < until else None
        return run(training, until)

    return shown


def _of_step(one_step):
    @functools.wraps(one_step)
    def shown(training: Training, lesson) -> None:
        one_step(training, lesson)
        training.line.update(training.step, f", loss {training.log[-1]['loss']:.3f}")

    return shown


def _of_scoring(score):
    @functools.wraps(score)
    def shown(evaluation: Evaluation, *arguments, **run):
        line = Line(evaluation.task.name, 1, "scoring")
        scored = score(evaluation, *arguments, **run)
        line.update(1)
        return scored

    return shown
