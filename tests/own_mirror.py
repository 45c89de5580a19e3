"""A small mirror with rows of its own, and a study that reads it. A pytest plugin: see `own_study`."""

import pytest
from datasets import Dataset

from stilts_utils.study import study
from stilts_utils.study.settings import Arm, Fit, Recipe, Timing
from stilts_utils.study.source import MIRROR
from stilts_utils.study.study import Study

ROWS = 12
PLACES = {"de": ("Berg", "Tal"), "en": ("hill", "dale"), "fi": ("mäki", "laakso")}
SETS = {
    "nyu-mll/multi_nli/default/train": "en",
    **{f"facebook/xnli/{language}/test": language for language in PLACES},
    "google/xtreme/tatoeba.deu/validation": "de",
    "google/xtreme/tatoeba.fin/validation": "fi",
    **{f"google/xtreme/PAN-X.{language}/validation": language for language in PLACES},
    "google/xtreme/PAN-X.en/train": "en",
}


def rows_of(name: str, language: str) -> list[dict]:
    words = PLACES[language]
    if "tatoeba" in name:
        return [{"source_sentence": f"{words[i % 2]} {i}", "target_sentence": f"hill {i}"} for i in range(ROWS)]
    if "PAN-X" in name:
        return [{"tokens": [words[i % 2], str(i)], "ner_tags": [5, 0]} for i in range(ROWS)]
    disputed = 4 if "multi_nli" in name else None  # a row without a label, as that set has
    return [
        {"premise": f"{name} {words[0]} {i}", "hypothesis": f"{words[1]} {i}", "label": -1 if i == disputed else i % 3}
        for i in range(ROWS)
    ]


@pytest.fixture
def own_study(tmp_path, monkeypatch) -> Study:
    """A study of a mirror below `tmp_path`, with the random encoder; its files go there, too."""
    monkeypatch.delenv(MIRROR, raising=False)
    monkeypatch.setattr(study, "ROOT", tmp_path)
    for name, language in SETS.items():
        file = tmp_path / "mirror" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_list(rows_of(name, language)).to_parquet(file)
    return Study(
        name="own",
        title="own",
        encoder="random",
        source="mirror",
        mirror="mirror",
        languages=("en", "de"),
        missing="skip",
        intermediate={"mnli": Arm()},
        durations=(0, 1),
        seeds=(1, 2),
        targets={"xnli": Fit((1,)), "tatoeba": Fit()},
        training=Recipe(batch_size=2, train_rows=3),
        items=4,
        inference=Timing("xnli", replicates=2, seconds=0.1),
    )
