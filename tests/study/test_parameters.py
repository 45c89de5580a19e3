import pytest

from stilts_utils.study import parameters
from stilts_utils.study.validation import StudyError

GIVEN = {
    "study": "studies/mini.yaml",
    "intermediate": "temprel",
    "duration": 12,
    "seed": 1,
    "targets": None,
    "languages": None,
    "encoder": None,
    "out": None,
}


def check(cell="", **given):
    parameters.check("3_target", {**GIVEN, **given, "In": ["", "study = 1", cell, "check"]})


def test_types_and_meanings_are_those_of_the_notebook():
    found = parameters.described("3_target")
    assert list(found) == list(GIVEN)
    assert found["duration"] == ("int", "optimizer steps of intermediate training")
    assert found["targets"][0] == "list[str]|None"


@pytest.mark.parametrize("given", [{}, {"targets": ["mc_facts"]}, {"languages": ["en"]}, {"duration": 0}])
def test_right_values_pass(given):
    check("# Parameters\nduration = -2\n", **given)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"duration": 2.5}, "duration is 2.5, allowed: a whole number$"),
        ({"duration": "12"}, "duration is '12', allowed: a whole number$"),
        ({"seed": True}, "seed is True, allowed: a whole number$"),
        ({"study": None}, "study is None, allowed: a text$"),
        ({"encoder": 3}, "encoder is 3, allowed: a text or None$"),
        ({"targets": [1]}, r"targets is \[1\], allowed: a list of texts or None$"),
        (
            {"targets": "mc_facts"},
            r"targets is 'mc_facts', allowed: a list of texts or None, such as \['mc_facts'\]; "
            r"for papermill: -y '\{targets: \[mc_facts\]\}'",
        ),
    ],
)
def test_a_value_of_another_type_is_refused(given, said):
    with pytest.raises(StudyError, match=said):
        check(**given)


@pytest.mark.parametrize("cell", ["# Parameters\nduratoin = 12\nseed = 1\n", "seed = 1\nduratoin = 3"])
def test_an_unknown_name_is_refused_with_those_that_there_are(cell):
    said = "parameter is 'duratoin', allowed: study, intermediate, duration, .*papermill --help-notebook notebooks/3_t"
    with pytest.raises(StudyError, match=said):
        check(cell)


@pytest.mark.parametrize("cell", ["frames = transfer(session)", "import os", "1 + 1", "first, last = 1, 2"])
def test_a_cell_that_computes_is_none_of_parameters(cell):
    check(cell)
