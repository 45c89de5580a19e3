import pytest

from stilts_utils.config import StudyError
from stilts_utils.deployments import ENGINES, PRECISIONS, REFERENCE, RUNTIMES
from stilts_utils.recipes import Timing


def test_every_entry_is_of_a_known_runtime_and_precision_and_says_what_it_is():
    for name, entry in ENGINES.items():
        assert name == entry.name and entry.says
        assert entry.runtime in RUNTIMES and entry.precision in PRECISIONS and entry.attention in ("eager", "sdpa")


def test_the_reference_is_plain_pytorch_in_float32():
    assert (REFERENCE.runtime, REFERENCE.precision, REFERENCE.attention, REFERENCE.compiled) == (
        "torch",
        "fp32",
        "eager",
        False,
    )
    assert [name for name, entry in ENGINES.items() if not entry.exact] == ["ort_int8"]


@pytest.mark.parametrize("engines", [("fp64",), (), ("fp32", "fp32")])
def test_a_study_names_known_engines_once_each(engines):
    with pytest.raises(StudyError, match="inference.engines is"):
        Timing("mc_facts", engines=engines)
