"""What a source has of a study: the rows that a target is scored on, in which languages, and what is lacking."""

from datasets import Dataset

from stilts_utils.data import leakage, sources
from stilts_utils.study.study import Study
from stilts_utils.tasks import TRAINING_LANGUAGE


def evaluation_rows(study: Study, target: str, language: str, limit: int | None):
    """The first rows of the split that a target is evaluated on, the same for every arm."""
    split = sources.evaluation_split(target, **study.place)
    return sources.load(target, language, split, limit=limit, **study.place)


def calibration_rows(study: Study, target: str, seed: int, limit: int) -> tuple[Dataset, Dataset]:
    """English rows to train a target on, and others, at most `limit`, to calibrate its decisions on.

    The others are validation rows, or the last of the training rows where the source has no validation rows beside
    those that the target is scored on. None of them occurs in the training rows.
    """
    source, missing = study.place, study.missing
    rows = sources.load(
        target, TRAINING_LANGUAGE, "train", seed=seed, limit=study.training.train_rows, missing=missing, **source
    )
    held_out = "validation" in sources.splits(target, study.source) and (
        sources.evaluation_split(target, **source) != "validation"
        and TRAINING_LANGUAGE in sources.languages(target, **source, split="validation")
    )
    if held_out:
        others = sources.load(target, TRAINING_LANGUAGE, "validation", limit=limit, **source)
    else:
        first = max(len(rows) // 2, len(rows) - limit)
        rows, others = rows.select(range(first)), rows.select(range(first, len(rows)))
    return leakage.disjoint(rows, others, drop=True), others


def available(study: Study, target: str) -> list[str]:
    """The study's languages in which the source has the target.

    Raises ValueError for a language it lacks, unless the study says `missing: skip`, and where it lacks all.
    """
    lacks = sources.lacking(target, study.languages, **study.place)
    reasons = "; ".join(dict.fromkeys(lacks.values()))
    if len(lacks) == len(study.languages):
        raise ValueError(
            f"target is {target!r}, which has no rows in any language of the study ({reasons}), allowed: targets that source "
            f"{study.source!r} has; take it out of `targets` in the study file, or put its files where they are looked for"
        )
    if lacks and study.missing == "error":
        raise ValueError(
            f"languages of {target}: {', '.join(lacks)} have no rows ({reasons}), allowed: "
            f"{', '.join(sources.languages(target, **study.place))}; name others, or set `missing: skip` in the study "
            "file to leave some out"
        )
    return [language for language in study.languages if language not in lacks]


def lacking(study: Study) -> list[dict]:
    """Rows of the `lacking` table: what the study asked for and the source does not have."""
    rows = [
        {"target": target, "language": language, "reason": reason}
        for target in study.targets
        for language, reason in sources.lacking(target, study.languages, **study.place).items()
    ]
    trained = {name for arm in study.intermediate for name in study.tasks_of(arm)} | set(study.targets)
    for name in sorted(trained):
        if sets := sources.lacking_sets(name, **study.place):
            rows.append(
                {
                    "target": name,
                    "language": f"{TRAINING_LANGUAGE}, training",
                    "reason": f"trained without {', '.join(sets)}",
                }
            )
    return rows
