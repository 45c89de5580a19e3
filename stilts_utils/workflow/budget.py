"""Which runs of a study end within some minutes: whole cells first, so that what is there is a complete smaller study."""

from collections.abc import Iterable
from dataclasses import replace

from stilts_utils.study.arms import PRETRAINED
from stilts_utils.study.study import Run, Study
from stilts_utils.workflow import plan
from stilts_utils.workflow.status import State

TIMED = "4_inference"
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
    if any(state.run.phase not in rates for state in states if not state.done):
        planned = plan.here(study).set_index("phase").seconds
        for phase, seconds in planned.items():
            rates.setdefault(phase, seconds / sum(state.run.work for state in states if state.run.phase == phase))
    return [
        state if state.done else replace(state, seconds=rates[state.run.phase] * state.run.work) for state in states
    ]


def affordable(study: Study, states: Iterable[State], seconds: float, slots: int) -> list[str]:
    """Keys of runs to start now, none if not one would end within `seconds`.

    As many as fill `SHARE` of the time, or else the next one alone. `slots`: how many runs that time nothing go side by side.
    A run is chosen only with all that it reads.
    """
    of_key = {state.run.key: state for state in states}
    waiting = [run for run in by_cell(study) if not of_key[run.key].done]
    chosen: list[str] = []
    used = 0.0
    for run in waiting:
        least = of_key[run.key].seconds
        took = least / (1 if run.phase == TIMED else slots)
        ready = all(of_key[key].done or key in chosen for key in run.after)
        if not ready or least > seconds - used or (chosen and used + took > SHARE * seconds):
            if chosen:
                break
            continue
        chosen.append(run.key)
        used += took
    return chosen
