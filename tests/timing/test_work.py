import dataclasses

import pandas as pd
import pytest

from stilts_utils.models import hardware
from stilts_utils.study.settings import Exits, Timing
from stilts_utils.tables import files
from stilts_utils.timing import work


@pytest.fixture
def study(tiny_study):
    timing = Timing(
        "mc_facts",
        ("en", "de"),
        engines=("eager", "fp32", "ort"),
        batch_sizes=(1, 3),
        exits=Exits("mc_facts", requests=2, batch_size=2),
    )
    return dataclasses.replace(tiny_study, inference=timing, durations=(0, 2))


def test_every_checkpoint_makes_a_dense_engine_do_the_same_work(study, tiny_place, monkeypatch):
    monkeypatch.setattr(hardware, "bf16_instructions", lambda: None)
    found = pd.DataFrame([row for seed in study.seeds for row in work.of_seed(study, tiny_place, seed)])
    files.check("work", found)
    dense = found[found.rule == work.DENSE]
    assert len(dense) == 2 * 2 * 3 * 2 * 2  # seeds, durations, engines, batch sizes, languages
    assert (dense.groupby(["engine", "batch_size", "language"]).trace.nunique() == 1).all()
    assert (dense.groupby(["engine", "language"]).trace.nunique() == 2).all()  # one for a batch size
    assert dense.groupby(["batch_size", "language"]).flops.nunique().eq(1).all()
    exits = found[found.rule != work.DENSE]
    assert set(exits.engine) == {"exit"} and set(exits.batch_size) == {1, 2}
    fixed = exits[exits.rule.str.startswith("layer-")]
    assert (fixed.groupby(["rule", "batch_size", "language"]).trace.nunique() == 1).all()
    by_depth = fixed.groupby("rule")[["layers", "flops", "operations"]].sum().sort_values("layers")
    assert by_depth.flops.is_monotonic_increasing and by_depth.operations.is_monotonic_increasing
