import dataclasses

import pandas as pd
import pytest

from stilts_utils.analysis import forms as analysis
from stilts_utils.study.settings import Arm, Forms
from stilts_utils.tables import files
from stilts_utils.timing import forms, paired


@pytest.fixture
def study(tiny_study):
    words = Arm(method="lexical_injection", languages=("de",), durations=(0, 2))
    timing = dataclasses.replace(tiny_study.inference, engines=("fp32", "compiled"))
    timing = dataclasses.replace(timing, forms=Forms(adapters="words", votes=(3,), seconds=0.05))
    arms = tiny_study.intermediate | {"words": words}
    return dataclasses.replace(tiny_study, intermediate=arms, inference=timing)


def test_both_kinds_of_forms_are_timed_in_turns_and_compared(study, tiny_place):
    first, second = study.processes(1)
    found = forms.measure(study, tiny_place, 1, first)
    timings, scores = (pd.DataFrame(found[name]) for name in forms.TABLES)
    files.check("form_timings", timings), files.check("form_scores", scores)
    conditions = timings.groupby("kind").condition.unique().map(set)
    assert conditions["adapters"] == {"0", "beside", "a/a", "planted"} and conditions["votes"] == {
        "0",
        "3",
        "a/a",
        "planted",
    }
    assert set(zip(timings.kind, timings.intermediate, timings.duration, strict=True)) == {
        ("adapters", "words", 2),
        ("votes", "none", 0),
    }
    assert set(timings.engine) == {"fp32"} and timings.groupby("kind").block.nunique().min() >= paired.LEAST_BLOCKS
    beside = scores[scores.kind == "adapters"]
    assert set(scores.language) == {"en", "de"} and set(beside.agreement) == {1.0}
    assert beside.largest_difference.max() < 1e-5 and set(scores[scores.kind == "votes"].largest_difference) == {0.0}
    again = forms.measure(study, tiny_place, 1, second)
    assert not again["form_scores"] and set(pd.DataFrame(again["form_timings"]).replicate) == {second}
    both = pd.concat([timings, pd.DataFrame(again["form_timings"])])
    ratios, settings = analysis.ratios(both, 0.02, 0.02)
    assert len(ratios) == 6 and len(settings) == 2 and len(analysis.gains(scores)) == 2


def test_a_study_that_asks_for_no_forms_has_none(tiny_study, tiny_place):
    assert forms.timed(tiny_study, tiny_place, 1) == {}


def test_only_plain_engines_of_this_machine_deploy_forms(study):
    other = dataclasses.replace(study, inference=dataclasses.replace(study.inference, engines=("ort",)))
    assert forms.engine_names(study) == forms.engine_names(other) == ["fp32"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adapters": "temprel"}, "inference.forms.adapters is 'temprel', allowed: arms with adapters: words"),
        ({"voted": "other"}, "inference.forms.voted is 'other', allowed: temprel, words"),
        ({"adapters": None, "votes": ()}, "inference.forms is None, allowed: adapters, votes, or both"),
    ],
)
def test_wrong_forms_are_refused(study, changes, said):
    with pytest.raises(ValueError, match=said):
        wrong = dataclasses.replace(study.inference.forms, **changes)
        dataclasses.replace(study, inference=dataclasses.replace(study.inference, forms=wrong))


def test_tags_and_answers_are_not_voted_on(study):
    tagged = dataclasses.replace(study.inference, target="dtag")
    with pytest.raises(ValueError, match=r"inference.forms.votes is \(3,\), allowed: none with the timed target dtag"):
        dataclasses.replace(study, inference=tagged)


def test_an_arm_that_lacks_a_timed_seed_is_refused(study):
    lacking = dataclasses.replace(study.intermediate["words"], seeds=(1,))
    with pytest.raises(ValueError, match=r"intermediate.words.seeds is \(1,\), allowed: with those timed, \(1, 2\)"):
        dataclasses.replace(study, intermediate=study.intermediate | {"words": lacking})


def test_the_runs_that_make_the_checkpoints_come_before(study):
    runs = {run.key: run for run in study.runs()}
    assert "3_target/words-2-s1" in runs["4_inference/mc_facts-s1"].after
