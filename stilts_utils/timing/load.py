"""Duration 0 and the longest under the load of MLPerf's LoadGen, in one process.

First each is put under every scenario, with samples and arrivals of its own. Minutes lie between the two, in which a shared
machine changes more than a duration could. So Offline is then run in turns, 0 L, L 0, 0 L, ...: the two of a pair compare
durations, and neighbours of two pairs have the same duration, which is an A/A control at the same distance in time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from stilts_utils import engines
from stilts_utils.data.study_rows import evaluation_rows
from stilts_utils.engines import Engine
from stilts_utils.models import hardware
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.place import Place
from stilts_utils.study.study import Study
from stilts_utils.timing import mlperf
from stilts_utils.timing.noise import NoiseWatch, disturbed
from stilts_utils.timing.processes import engine_of
from stilts_utils.training.fine_tuning import fine_tuned
from stilts_utils.training.session import Session


@dataclass(frozen=True)
class _Pair:
    """An engine that deploys two checkpoints by turns. `models`: as the engine converted them, by duration."""

    engine: Engine
    models: dict[int, object]
    rows: list[dict]
    load: mlperf.Load
    folder: Path
    keys: dict

    def test(self, duration: int, turn: int, run: Callable[..., list[dict]], *given) -> list[dict]:
        """Rows of `scenarios` of one test of one duration."""
        self.engine.use(self.models[duration])
        for first in range(0, len(self.rows), self.load.batch):  # every shape once before anything counts
            self.engine.answer(self.rows[first : first + self.load.batch])
        logs = self.folder / f"{self.keys['engine']}-{duration}-{self.keys['process']}"
        watch = NoiseWatch().start()
        found = run(self.engine, self.rows, logs, self.load, *given)
        about = self.keys | {"duration": duration, "turn": turn, "disturbed": disturbed(watch.stop())}
        return [about | row for row in found]


def tested(study: Study, place: Place, seed: int, process: int) -> list[dict]:
    """Rows of `scenarios` of one process, on evaluation rows of the timed languages.

    By every engine of `inference.scenarios` that the machine can run. Every second process begins with the longest duration.
    """
    timing, scenarios, records = study.inference, study.inference.scenarios, []
    session = Session.open(study, place)
    torch.set_num_threads(hardware.cores())
    rows = [row for name in timing.languages for row in evaluation_rows(study, timing.target, name, scenarios.rows)]
    load = mlperf.Load(scenarios.seconds, scenarios.bound_s, scenarios.batch_size, 100 * seed + process)
    arms = study.timed_arms()
    order = (arms[0], arms[-1])[:: 1 if process % 2 else -1]
    for name in scenarios.engines:
        if engines.unavailable(name):
            continue
        engine = engine_of(session, ENGINES[name], timing.target)
        models = {steps: engine.convert(fine_tuned(session, timing.target, arm, steps, seed)) for arm, steps in order}
        keys = {"process": process, "seed": seed, "target": timing.target, "engine": name}
        pair = _Pair(engine, models, rows, load, place.folder / "loadgen", keys)
        first = {steps: pair.test(steps, 0, mlperf.run) for steps in models}
        records += [row for found in first.values() for row in found]
        turns = [steps for number in range(scenarios.turns) for steps in list(models)[:: -1 if number % 2 else 1]]
        for turn, steps in enumerate(turns, 1):
            records += pair.test(steps, turn, mlperf.offline, first[steps])
    return records
