import subprocess

import numpy as np
import pandas as pd
import pytest

from benchmarks import tables
from benchmarks.tables import Size
from stilts_utils.study.settings import CONTROL, PRETRAINED
from stilts_utils.tables import schema

SMALL = Size(languages=10, targets=4, durations=4, arms=5, seeds=12, item_languages=2, items=5)  # 10^4 rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    tables.generate(SMALL, folder)
    return folder


@pytest.fixture(scope="module")
def summary(folder):
    return tables.summarise(folder)


def test_a_large_study_has_a_million_scores():
    size = Size()
    assert len(size.runs) * size.targets * size.languages == 1_005_000
    assert len(size.target_names) == size.targets


def test_the_tables_hold_every_run_target_and_language_once(summary):
    runs = 12 * (1 + 4 * 5)
    assert len(summary["scores"]) == runs * 4 * 10 == 10_080
    assert len(summary["items"]) == runs * 4 * 2 * 5
    assert not summary["scores"].duplicated(list(schema.TABLES["scores"].key)).any()
    arms = summary["scores"].groupby(["intermediate", "duration"]).size()
    assert set(arms) == {12 * 4 * 10} and len(arms) == 21
    assert arms.index.get_level_values("intermediate").nunique() == 2 + 4
    assert {PRETRAINED, CONTROL} <= set(summary["scores"].intermediate)


def test_the_summary_is_that_of_plain_loops(summary):
    scores, items = summary["scores"], summary["items"]
    seed = summary["seeds"].iloc[7]
    keys = ["intermediate", "duration", "seed", "target"]
    rows = scores[(scores[keys] == seed[keys]).all(axis=1)]
    assert seed.score == pytest.approx(rows.score.mean()) and len(rows) == 10

    means = {}
    for (*arm, target, language), part in items.groupby(["intermediate", "duration", "target", "language"]):
        by_seed = part.groupby("seed")[["numerator", "denominator"]].sum()
        means[(*arm, target, language)] = (100 * by_seed.numerator / by_seed.denominator).mean()
    quality = summary["quality"].set_index(["intermediate", "duration", "target", "language"])
    assert quality[quality.index.get_level_values("language") != "mean"].score.to_dict() == pytest.approx(means)
    changes = summary["changes"].set_index(quality.index.names).difference
    over = summary["over_control"].set_index(quality.index.names).difference
    arm = ("task02", 3, SMALL.target_names[1], "l01")
    assert changes[arm] == pytest.approx(means[arm] - means[(PRETRAINED, 0, *arm[2:])])
    assert over[arm] == pytest.approx(means[arm] - means[(CONTROL, 3, *arm[2:])])
    assert len(over) == 4 * 4 * 4 * 3  # tasks, durations, targets, languages with their mean


def test_the_line_measures_another_process(monkeypatch):
    run, calls = subprocess.run, []
    monkeypatch.setattr(subprocess, "run", lambda command, **how: calls.append(command) or run(command, **how))
    said = tables.line(Size(languages=2, targets=1, durations=1, arms=2, seeds=2, item_languages=1, items=2))
    assert said.startswith("12 score rows and 12 item rows read, checked and summarised: ")
    assert said.endswith(" GB") and calls[0][1:3] == ["-m", "benchmarks.tables"]


def test_the_peak_is_that_of_this_process():
    before = tables.peak_gb()
    held = np.ones(30_000_000)
    assert tables.peak_gb() >= before > 0.01
    assert held.nbytes == 240_000_000


def test_tables_are_sorted_by_their_key(summary):
    scores = summary["scores"]
    pd.testing.assert_frame_equal(scores, scores.sort_values(list(schema.TABLES["scores"].key)))
