"""What a source has of a study: the rows that a target is scored on, in which languages, and what is missing or left out."""

from collections.abc import Iterable

from datasets import Dataset, concatenate_datasets

from stilts_utils.data import leakage, row_checks, sources
from stilts_utils.study.study import Study
from stilts_utils.tasks import TRAINING_LANGUAGE, task

VALIDATION_ROWS = 500  # of an intermediate task, at most: an accuracy of 50 is known to ±4.5 points


def evaluation_rows(study: Study, target: str, language: str, limit: int | None) -> Dataset:
    """The first rows of the split that a target is evaluated on, the same for every arm."""
    split = sources.evaluation_split(target, study.data_source)
    return sources.load(target, language, split, study.data_source, limit=limit)


def evaluations(study: Study, target: str, languages: Iterable[str], limit: int | None) -> dict[str, Dataset]:
    """The evaluation rows of several languages. Raises ValueError if translations of a row differ in their label."""
    rows = {language: evaluation_rows(study, target, language, limit) for language in languages}
    row_checks.aligned(task(target), rows)
    return rows


def candidates(study: Study, target: str, language: str, limit: int | None) -> Dataset:
    """What the first `limit` queries of a retrieval target may find in a language."""
    split = sources.evaluation_split(target, study.data_source)
    return sources.candidates(target, language, study.data_source, limit=limit, split=split)


def training_rows(
    study: Study,
    name: str,
    seed: int,
    limit: int | None = None,
    stage: int = 0,
    languages: tuple[str, ...] = (TRAINING_LANGUAGE,),
) -> Dataset:
    """The first rows of one of a task's training stages, as shuffled by the seed, in equal parts of some languages.

    `limit`: the study's `train_rows` unless given, of all languages together. The rows of a language are drawn for it alone:
    they need not be translations of each other. Raises ValueError for a language without training rows.
    """
    limit = limit or study.training.train_rows
    options = {"seed": seed, "stage": stage, "missing": study.missing}
    if languages == (TRAINING_LANGUAGE,):
        return sources.load(name, TRAINING_LANGUAGE, "train", study.data_source, limit=limit, **options)
    parts = []
    for place, language in enumerate(languages):
        share = max(1, limit // len(languages) + (place < limit % len(languages)))
        rows = sources.load(name, language, "train", study.data_source, limit=share, **options)
        parts.append(rows.remove_columns("id").add_column("id", [f"{language}:{own}" for own in rows["id"]]))
    return concatenate_datasets(parts)


def calibration_rows(study: Study, target: str, seed: int, limit: int) -> tuple[Dataset, Dataset]:
    """English rows to train a target on, and others, at most `limit`, to calibrate its decisions on.

    The others are validation rows, or the last training rows if the source has no validation rows other than those that
    the target is scored on. None of them occurs in the training rows.
    """
    rows, source = training_rows(study, target, seed), study.data_source
    held_out = "validation" in sources.splits(target, source) and (
        sources.evaluation_split(target, source) != "validation"
        and TRAINING_LANGUAGE in sources.languages(target, source, "validation")
    )
    if held_out:
        others = sources.load(target, TRAINING_LANGUAGE, "validation", source, limit=limit)
    else:
        first = max(len(rows) // 2, len(rows) - limit)
        rows, others = rows.select(range(first)), rows.select(range(first, len(rows)))
    return leakage.disjoint(rows, others, drop=True), others


def validation_rows(study: Study, name: str, limit: int = VALIDATION_ROWS) -> Dataset:
    """The first English rows of an intermediate task's own validation split, which it is not trained on."""
    return sources.load(name, TRAINING_LANGUAGE, "validation", study.data_source, limit=limit)


def available(study: Study, target: str) -> list[str]:
    """The study's languages in which the source has the target.

    Raises ValueError for a missing language, unless the study says `missing: skip`, and if all are missing.
    """
    source = study.data_source
    absent = sources.lacking(target, study.languages, source)
    reasons = "; ".join(dict.fromkeys(absent.values()))
    if len(absent) == len(study.languages):
        raise ValueError(
            f"target is {target!r}, which has no rows in any language of the study ({reasons}), allowed: targets that "
            f"{source} has; take it out of `targets` in the study file, or put its files where they are looked for"
        )
    if absent and study.missing == "error":
        raise ValueError(
            f"languages of {target}: {', '.join(absent)} have no rows ({reasons}), allowed: "
            f"{', '.join(sources.languages(target, source))}; name others, or set `missing: skip` in the study file to "
            "leave some out"
        )
    return [language for language in study.languages if language not in absent]


def trained(study: Study) -> list[str]:
    """Tasks that the study trains on."""
    names = {name for arm in study.intermediate for name in study.tasks_of(arm)}
    return sorted(names | {name for name in study.targets if task(name).trainable})


def lacking(study: Study) -> list[dict]:
    """Rows of the `lacking` table: targets and languages of the study without rows in the source."""
    rows = [
        {"target": target, "language": language, "reason": reason}
        for target in study.targets
        for language, reason in sources.lacking(target, study.languages, study.data_source).items()
    ]
    for name in trained(study):
        if sets := sources.lacking_sets(name, study.data_source):
            reason = f"trained without {', '.join(sets)}"
            rows.append({"target": name, "language": f"{TRAINING_LANGUAGE}, training", "reason": reason})
    return rows


def apart(study: Study, name: str, rows: Dataset, languages: Iterable[str] = (TRAINING_LANGUAGE,)) -> Dataset:
    """Training rows of a task without those that occur in the evaluation rows of a target of the same shape.

    `languages`: those of the training rows, in which the evaluation rows are read. `leakage` says which count as occurring.
    Generated splits are apart by construction.
    """
    if study.source == "embedded":
        return rows
    return leakage.disjoint(rows, *_scored(study, task(name).shape, languages), drop=True)


def _scored(study: Study, shape: str, languages: Iterable[str]) -> list[Dataset]:
    return [
        evaluation_rows(study, target, language, None)
        for target in study.targets
        if task(target).shape == shape
        for language in languages
        if language in sources.languages(target, study.data_source)
    ]


def left_out(study: Study) -> list[dict]:
    """Rows of the `left_out` table: how many rows of how many the study does without, and why.

    Those of a flaw that their set is known for, and distinct training rows, of all that the seeds draw, that occur in
    evaluation rows.
    """
    if study.source == "embedded":
        return []
    source, found = study.data_source, []
    for name in trained(study):
        for stage in range(task(name).stages):
            where = {"task": name, "language": f"{TRAINING_LANGUAGE}, training" + f", stage {stage + 1}" * bool(stage)}
            found += [where | out for out in _flaws(sources.left_out(name, source, "train", TRAINING_LANGUAGE, stage))]
            found += [where | out for out in _overlap(study, name, stage)]
    for target in study.targets:
        split = sources.evaluation_split(target, source)
        for language in available(study, target):
            where = {"task": target, "language": language}
            found += [where | out for out in _flaws(sources.left_out(target, source, split, language))]
    return found


def _flaws(rows: list[dict]) -> list[dict]:
    return [{"reason": f"{row['reason']} in {row['set']}", "rows": row["rows"], "of": row["of"]} for row in rows]


def _overlap(study: Study, name: str, stage: int) -> list[dict]:
    drawn, out = set(), set()
    for seed in study.seeds:
        rows = training_rows(study, name, seed, stage=stage)
        drawn |= set(rows["id"])
        out |= set(rows["id"]) - set(apart(study, name, rows)["id"])
        if len(rows) < study.training.train_rows:
            break  # all rows of the sets: every seed draws the same
    reason = "in English evaluation rows of a target of the same shape"
    return [{"reason": reason, "rows": len(out), "of": len(drawn)}] if out else []
