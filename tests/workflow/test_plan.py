import dataclasses
import re

import pandas as pd
import pytest

from stilts_utils import ROOT
from stilts_utils.study import sizes
from stilts_utils.study.settings import Arm, Exits, Fit, Recipe, Search, Timing
from stilts_utils.study.study import Study
from stilts_utils.workflow import lengths, plan
from stilts_utils.workflow.devices import Device
from stilts_utils.workflow.outline import START_UP, Outline

SLOW = Device("slow", 1e9, 2e9)
STUDIES = [path.stem for path in sorted((ROOT / "studies").glob("*.yaml"))]
SMALL = Study(
    name="small",
    title="small",
    encoder="random",
    languages=("en", "de"),
    missing="skip",
    intermediate={"temprel": Arm(), "dtag": Arm(durations=(0, 8), batch_size=2)},
    durations=(0, 2, 4),
    seeds=(1, 2, 3),
    targets={"mc_facts": Fit((3,)), "qa_log": Fit((5,), batch_size=2, items=7), "retr_bitext": Fit()},
    training=Recipe(batch_size=4),
    items=10,
    inference=Timing("mc_facts", batch_sizes=(1, 2), replicates=3, seconds=2.0),
)


def outline(study: Study) -> Outline:
    return Outline.of(study, sizes.of(study.encoder))


def phases(study: Study):
    return plan.phases(outline(study), SLOW).set_index("phase")


@pytest.mark.parametrize("name", STUDIES)
def test_runs_are_those_of_the_study(name):
    study = Study.load(f"studies/{name}.yaml")
    found = phases(study)
    keys = [run.phase for run in study.runs()]
    assert found.runs.to_dict() == {phase: keys.count(phase) for phase in found.index}


def test_steps_and_tokens_are_those_that_the_phases_train():
    found = phases(SMALL)
    # A trajectory goes to its own longest duration.
    assert found.steps["2_intermediate"] == 3 * (4 + 8)
    temprel, dtag = lengths.of("temprel").trained, lengths.of("dtag").trained
    assert found.trained["2_intermediate"] == 3 * (4 * 4 * temprel + 8 * 2 * dtag)
    # Every arm fine-tunes every target, and the control goes on to the study's longest duration.
    arms = 3 * (1 + 2 + 1)
    assert found.steps["3_target"] == arms * (3 + 5) + 3 * 2 * 4


def test_exits_answer_their_target_once_more_and_are_timed():
    exits = Exits("mc_facts", calibration=20)
    timing = dataclasses.replace(SMALL.inference, exits=exits, search=Search("retr_bitext", seconds=3.0))
    before, after = phases(SMALL), phases(dataclasses.replace(SMALL, inference=timing))
    arms = 3 * (1 + 2 + 1)
    more = after - before
    assert more.steps.to_dict() == {"1_pretrained": 0, "2_intermediate": 0, "3_target": 0, "4_inference": 0}
    once = next(job for job in outline(SMALL).targets if job.name == "mc_facts")
    tokens = once.evaluation(sizes.of("random"))[0]
    assert more.evaluated["3_target"] == pytest.approx(arms * (tokens + tokens * 20 / (10 * 2)))
    assert more.seconds["4_inference"] == 3 * (3 * 20.0 + START_UP + 3 * 1 * 3.0)


def test_every_arm_and_the_control_at_every_duration_are_scored():
    jobs = outline(SMALL).targets
    once = {job.name: job.evaluation(sizes.of("random"))[0] for job in jobs}
    assert once["mc_facts"] == 10 * 2 * 4 * lengths.of("mc_facts").evaluated
    assert once["qa_log"] == 7 * 2 * lengths.of("qa_log").evaluated
    arms, controls = 3 * (1 + 2 + 1), 3 * 2
    expected = (arms + controls) * (once["mc_facts"] + once["qa_log"]) + arms * once["retr_bitext"]
    assert phases(SMALL).evaluated["3_target"] == pytest.approx(expected)


def test_checkpoints_are_what_is_stored_of_every_duration():
    found, checkpoint = phases(SMALL), 4 * sizes.of("random").trained
    assert found.bytes["2_intermediate"] == 3 * 3 * checkpoint + plan.RUN_BYTES * 6
    assert found.bytes["3_target"] > 12 * checkpoint + plan.RUN_BYTES * 12


def test_hours_are_operations_over_speed_beside_starts_and_timing():
    found = phases(SMALL)
    intermediate = found.loc["2_intermediate"]
    assert intermediate.seconds == pytest.approx(START_UP * 6 + intermediate.operations / 1e9)
    assert found.seconds["4_inference"] == 3 * (START_UP + 3 * (START_UP + 2 * 2 * 2.0))
    launched = plan.phases(outline(SMALL), Device("fast", 1e30, 1e30, launch=0.5)).set_index("phase")
    assert launched.seconds["2_intermediate"] == pytest.approx(START_UP * 6 + 36 * 2 * 0.5)


def more(**changes) -> float:
    bigger = dataclasses.replace(SMALL, **changes)
    return (phases(bigger) - phases(SMALL)).sum()


def test_growth_is_the_difference_to_a_study_with_one_more():
    found = plan.growth(outline(SMALL), SLOW)
    found.index = found.pop("one more").str.split(" ").str[0]
    expected = {
        "seed": more(seeds=(1, 2, 3, 4)),
        "language": more(languages=("en", "de", "fi")),
        "duration": more(
            durations=(0, 2, 4, 8), intermediate={**SMALL.intermediate, "dtag": Arm(durations=(0, 8, 16), batch_size=2)}
        ),
    }
    for name, difference in expected.items():
        assert found.loc[name].to_dict() == pytest.approx(difference.to_dict()), name
    assert (found >= 0).all(axis=None)
    arm = found.loc["intermediate"]
    assert (arm.runs, arm.steps) == (3 + 3 * 2, 3 * 4 + 3 * 2 * (3 + 5))


def test_a_study_with_an_encoder_that_is_not_here_is_planned(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["plan", "studies/xtreme_r.yaml", "--device", "h100", "--utilisation", "0.4"])
    assert plan.main() == 0
    said = capsys.readouterr().out
    assert "FacebookAI/xlm-roberta-large, 24 layers, 302.3 M parameters trained" in said
    assert "h100 at 40% of its peak" in said
    assert [line.split()[0] for line in said.splitlines() if line[:2] in ("1_", "2_", "3_", "4_", "to")] == [
        "1_pretrained",
        "2_intermediate",
        "3_target",
        "4_inference",
        "total",
    ]


def test_this_machine_is_measured_for_a_moment(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["plan", "studies/smoke.yaml", "--measure", "0.02"])
    assert plan.main() == 0
    said = capsys.readouterr().out
    assert "on this machine" in said
    assert re.search(r"\nlongest run: [1-4]_\w+/[\w-]+, \d+\.\d\d hours; a cluster is asked for [\d,]+ MB\n", said)


def test_the_longest_run_has_its_share_of_the_work_of_its_phase():
    study = Study.load(ROOT / "studies/mini.yaml")
    runs = [run for run in study.runs() if run.phase == "3_target"]
    largest = max(runs, key=lambda run: run.work)
    rows = pd.DataFrame({"phase": ["1_pretrained", "2_intermediate", "3_target", "4_inference"], "seconds": [9.0] * 4})
    rows.loc[2, "seconds"] = 1000.0
    assert plan.longest(study, rows) == (
        largest.key,
        pytest.approx(1000 * largest.work / sum(run.work for run in runs)),
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["studies/no.yaml"], "there is no such file"),
        (["studies/smoke.yaml", "--device", "abacus"], "device is 'abacus', allowed: here"),
        (["studies/smoke.yaml", "--layers", "0"], "encoder layers is 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, said, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["plan", *arguments])
    assert plan.main() == 2
    shown = capsys.readouterr().out
    assert said in shown and shown.count("\n") == 1
