import pytest

from stilts_utils.study.engines import ENGINES, PRECISIONS, REFERENCE, RUNTIMES, Deployment
from stilts_utils.study.settings import Timing
from stilts_utils.study.validation import StudyError


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
    with pytest.raises(ValueError, match="engines"):
        Timing("mc_facts", engines=engines)


@pytest.mark.parametrize("wrong", [{"runtime": "tensorflow"}, {"precision": "fp64"}, {"attention": "flash"}])
def test_an_entry_of_an_unknown_kind_is_refused(wrong):
    entry = {"name": "odd", "runtime": "torch", "precision": "fp32", "says": "odd"} | wrong
    (field,) = wrong
    with pytest.raises(StudyError, match=f"engine odd: {field} is '{wrong[field]}', allowed: "):
        Deployment(**entry)
