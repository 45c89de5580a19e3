"""Which runs of a study end within some minutes: whole cells first, so that what is there is a complete smaller study."""

from collections.abc import Iterable
from dataclasses import replace

from stilts_utils.study.arms import PRETRAINED
from stilts_utils.study.study import Run, Study
from stilts_utils.workflow import plan
from stilts_utils.workflow.status import State

CHECKED, TIMED = "1_pretrained", "4_inference"
SHARE = 0.5  # of the time left that is given away at once: after it, more is known of how long runs take here


def by_cell(study: Study) -> list[Run]:
    """Runs in the order of cells: seed by seed, duration 0 first, then task by task, each with its timing when it can be."""
    arms = [PRETRAINED, *study.intermediate]

    def place(run: Run) -> tuple:
        given = run.given
        if "seed" not in given:
            return (0,)
        timed = run.phase == TIMED
        arm = 1 if timed else arms.index(given["intermediate"])  # the first task's durations are timed
        return 1, study.seeds.index(given["seed"]), arm, timed, run.phase, given.get("duration", 0)

    return sorted(study.runs(), key=place)


def estimated(study: Study, states: Iterable[State]) -> list[State]:
    """States with the seconds that every run is likely to take here.

    A run takes its share of the work of its phase: by the runs of the phase that ended here, or else by the plan, for which
    this machine is measured.
    """
    states, rates = list(states), {}
    for phase in dict.fromkeys(state.run.phase for state in states):
        ended = [state for state in states if state.run.phase == phase and state.measured]
        if ended:
            rates[phase] = sum(state.seconds for state in ended) / sum(state.run.work for state in ended)
    if any(state.run.phase not in rates for state in states):
        planned = plan.here(study).set_index("phase").seconds
        for phase, seconds in planned.items():
            rates.setdefault(phase, seconds / sum(state.run.work for state in states if state.run.phase == phase))
    known = {state.run.key: state for state in states}
    return [
        state if state.done else replace(state, seconds=_seconds(state.run, known, rates, set())) for state in states
    ]


def _seconds(run: Run, states: dict[str, State], rates: dict[str, float], counted: set[str]) -> float:
    """Seconds of a run and of those before it whose checkpoints are not here: a taken run has none, and it is trained anew."""
    total = rates[run.phase] * run.work
    for key in run.after:
        state = states[key]
        if state.done and not state.measured and key not in counted:
            counted.add(key)
            total += _seconds(state.run, states, rates, counted)
    return total


def affordable(study: Study, states: Iterable[State], seconds: float, slots: int) -> list[str]:
    """Keys of runs to start now, none if not one would end within `seconds`.

    Those that can start at once, and those that end within `SHARE` of the time. `slots`: how many runs that time nothing go
    side by side. A run comes after those that it reads, and all come after phase 1, which checks the machine.
    """
    of_key = {state.run.key: state for state in states}
    free, ends, ready = [0.0] * max(1, slots), {key: 0.0 for key, state in of_key.items() if state.done}, 0.0
    for run in (run for run in by_cell(study) if run.key not in ends):
        if any(key not in ends for key in run.after):
            continue
        timed = run.phase == TIMED
        start = max([ready, max(free) if timed else min(free), *(ends[key] for key in run.after)])
        end = start + of_key[run.key].seconds
        if end > seconds or (start > 0 and end > SHARE * seconds):
            if run.phase == CHECKED:
                break
            continue
        ends[run.key] = end
        if timed:
            free = [end] * len(free)
        else:
            free[free.index(min(free))] = end
        if run.phase == CHECKED:
            ready, free = end, [end] * len(free)
    return [run.key for run in by_cell(study) if run.key in ends and not of_key[run.key].done]
