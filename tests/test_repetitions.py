import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.repetitions import Repetition, count, judge

RIGHT = Repetition(1.0, 0.99, 1.01, equivalent=True, planted_ratio=1.02, found=True, disturbed=False)


def made(same: float, planted: float, spread: float, processes: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Timings of some processes and their noise; effects spread between processes by a known amount."""
    rows = []
    for replicate, off in enumerate(np.linspace(-spread, spread, processes)):
        for block in range(5):
            for name, ratio in (("0", 1.0), ("a/a", same + off), ("planted", planted - off)):
                rows.append({"replicate": replicate, "block": block, "condition": name, "forward_s": 0.02 * ratio})
    frame = pd.DataFrame(rows).assign(
        engine="fp32", batch_size=1, duration=0, language="en", tokenise_s=0.001, decode_s=0.0
    )
    return frame, frame[["replicate", "engine", "batch_size"]].drop_duplicates().assign(disturbed=False)


@pytest.mark.parametrize(
    "same, planted, spread, equivalent, found",
    [
        (1.0, 1.02, 0.004, True, True),
        (1.0, 1.0, 0.004, True, False),  # nothing to find
        (1.0, 1.005, 0.002, True, False),  # found, and reads too small
        (1.0, 1.02, 0.06, False, False),  # too noisy to decide anything
        (1.03, 1.02, 0.004, False, True),
    ],
)
def test_verdicts_of_a_repetition(same, planted, spread, equivalent, found):
    verdict = judge(*made(same, planted, spread), 0.02, 0.02)
    assert (verdict.equivalent, verdict.found, verdict.disturbed) == (equivalent, found, False)
    assert (verdict.low90 > 0.98 and verdict.high90 < 1.02) == equivalent
    assert verdict.same_ratio == pytest.approx((20 * same + 1) / 21, abs=0.002)


def test_one_process_decides_nothing_and_what_disturbed_is_shown():
    timings, noise = made(1.0, 1.02, 0.0, processes=1)
    verdict = judge(timings, noise.assign(disturbed=True), 0.02, 0.02)
    assert (verdict.equivalent, verdict.found, verdict.disturbed) == (False, False, True)
    assert str(verdict).endswith("not equivalent; planted 1.0190 not found; disturbed")


@pytest.mark.parametrize("field", ["equivalent", "found"])
def test_nine_of_ten_are_enough_of_each(field):
    wrong = dataclasses.replace(RIGHT, **{field: False}, disturbed=True)
    line = "identical declared equivalent: 10 of 10; planted found: 10 of 10; disturbed: 0"
    assert count([RIGHT] * 10) == (line, True)
    line, enough = count([RIGHT] * 9 + [wrong])
    assert enough and "9 of 10" in line and line.endswith("disturbed: 1")
    assert not count([RIGHT] * 8 + [wrong] * 2)[1]
    assert count([RIGHT])[1] and not count([RIGHT] * 4 + [wrong])[1]
