import pandas as pd
import pytest

from stilts_utils.analysis import controls
from stilts_utils.analysis.latency import PLANTED, SAME


def outputs(**odd):
    """Two processes of two engines; `odd`: the hash of a condition of fp32 in the second process."""
    names = {"same": SAME, "planted": PLANTED, "four": "4"}
    odd = {names[name]: value for name, value in odd.items()}
    return pd.DataFrame(
        {
            "engine": engine,
            "batch_size": 1,
            "replicate": replicate,
            "condition": condition,
            "sha256": odd.get(condition, "zero") if (engine, replicate) == ("fp32", 1) else "zero",
        }
        for engine in ("fp32", "ort_int8")
        for replicate in (0, 1)
        for condition in ("0", "4", SAME, PLANTED)
    )


def fidelity(**lowest):
    return pd.DataFrame({"engine": e, "agreement": a} for e, low in lowest.items() for a in (1.0, low))


def test_nothing_is_wrong_where_controls_decide_alike_and_engines_agree():
    assert controls.faults(outputs(), fidelity(fp32=1.0, ort_int8=1.0)) == {}


@pytest.mark.parametrize("which", ["same", "planted"])
def test_controls_must_decide_as_duration_0(which):
    faults = controls.faults(outputs(**{which: "other"}), fidelity(fp32=1.0, ort_int8=1.0))
    assert faults == {("fp32", 1): "controls decide otherwise than duration 0"}


def test_other_durations_may_decide_otherwise():
    assert controls.faults(outputs(four="other"), fidelity(fp32=1.0, ort_int8=1.0)) == {}


def test_an_exact_engine_must_agree_with_the_reference_and_int8_need_not():
    faults = controls.faults(outputs(), fidelity(fp32=controls.LEAST - 0.001, ort_int8=0.5))
    assert faults == {("fp32", 1): "agrees with eager in 94.9 % only"}
    assert controls.faults(outputs(), fidelity(fp32=controls.LEAST, ort_int8=0.5)) == {}


def test_an_engine_that_was_not_compared_is_a_fault_and_faults_add_up():
    assert controls.faults(outputs(), fidelity(ort_int8=1.0)) == {("fp32", 1): "not compared with eager"}
    faults = controls.faults(outputs(same="other"), fidelity(fp32=0.5, ort_int8=1.0))
    assert faults == {("fp32", 1): "controls decide otherwise than duration 0; agrees with eager in 50.0 % only"}
