"""The facts of a study that its stored tables are read with.

Stored results outlive the code that made them. They are read by these names alone, and no `Study` is rebuilt from them: when a
field of a study is renamed, only the right side of `facts` changes.
"""

import dataclasses

from stilts_utils.study.study import Study

VERSION = 2  # of the stored form; in 1 the fields of `Study` stood in place of the facts, and no version


def facts(study: Study) -> dict:
    """A study in the names that stored results are read by."""
    timing = study.inference
    return {
        "name": study.name,
        "title": study.title,
        "source": study.source,
        "languages": study.languages,
        "seeds": study.seeds,
        "durations": study.durations,
        "items": study.items,
        "candidate_context": study.candidate_context,
        "hypotheses": study.hypotheses,
        "intermediate": {
            name: {
                "durations": study.durations_of(name),
                "tasks": arm.tasks,
                "seeds": study.seeds_of(name),
                "method": arm.method,
                "phase": arm.entry.phase,
                "trained_on": study.tasks_of(name),
                "targets": study.targets_of(name),
                "languages": arm.languages,
            }
            for name, arm in study.intermediate.items()
        },
        "targets": {name: {"steps": fit.steps, "items": fit.items} for name, fit in study.targets.items()},
        "controls": [name for name in study.targets if study.controlled(name)],
        "training": {"warmup_steps": study.training.warmup_steps, "train_rows": study.training.train_rows},
        "inference": {
            "target": timing.target,
            "languages": timing.languages,
            "engines": timing.engines,
            "batch_sizes": timing.batch_sizes,
            "seeds": study.timed_seeds,
            "processes": {str(seed): study.processes(seed) for seed in study.timed_seeds},
            "replicates": len(study.timed_seeds) * timing.replicates,
            "margin": timing.margin,
            "planted": timing.planted,
            "exits": timing.exits and {"target": timing.exits.target, "points_lost": timing.exits.points_lost},
            "forms": {
                kind: {"intermediate": arm, "duration": duration, "forms": timing.forms.of(kind)}
                for kind, (arm, duration) in study.formed().items()
            },
            "search": timing.search and {"target": timing.search.target, "recall": timing.search.recall},
        },
    }


def trained_on(name: str, arm: dict) -> tuple[str, ...]:
    """The tasks that an arm trains on, by its facts; older ones name them only if they are several."""
    return tuple(arm["trained_on"] if "trained_on" in arm else arm["tasks"] or (name,))


def settings(study: Study) -> dict:
    """Every field of a study, for a reader who repeats it, without the folder of this machine's mirror."""
    return dataclasses.asdict(study) | {"mirror": None}
