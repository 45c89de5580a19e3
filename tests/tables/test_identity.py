import dataclasses
import hashlib
import json

import pytest
import yaml

from stilts_utils import ROOT
from stilts_utils.study.study import Study
from stilts_utils.tables import digests, harmless, identity

PHASES = ("1_pretrained", "2_intermediate", "3_target", "4_inference")
VALUES = yaml.safe_load((ROOT / "studies/smoke.yaml").read_text(encoding="utf8")) | {"name": "small"}
ARM = ("temprel", 2, 1)


@pytest.fixture
def load(tmp_path):
    def study(changes=()):
        """The smoke study with some fields, named by dotted paths, changed."""
        values = yaml.safe_load(yaml.safe_dump(VALUES))
        for path, value in dict(changes).items():
            inner, *names = values, *path.split(".")
            for name in names[:-1]:
                inner[name] = inner.get(name) or {}
                inner = inner[name]
            inner[names[-1]] = value
        file = tmp_path / "small.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf8")
        return Study.load(file)

    return study


def identities(study):
    return {run.key: identity.of_run(study, run.phase, run.given).digest for run in study.runs()}


def rerun(before, after):
    """Phases of which a run is new or no longer as it was."""
    return "".join(
        phase[0] for phase in PHASES if any(k.startswith(phase) and before.get(k) != v for k, v in after.items())
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"title": "another"}, "1"),  # phase 1 stores the provenance, with the whole study
        ({"inference.margin": 0.05}, "1"),
        ({"hypotheses": ["H1"]}, "1"),
        ({"inference.seconds": 9.0}, "14"),
        ({"inference.planted": 0.05}, "14"),
        ({"languages": ["en", "de"]}, "13"),
        ({"durations": [0, 2, 8]}, "1234"),
        ({"training.encoder_lr": 0.5}, "1234"),
        ({"training.dropout": 0.1}, "1234"),
        ({"training.threads": 2}, "1"),
        ({"missing": "error"}, "1234"),
        ({"encoder": "packaged"}, "1234"),
        ({"layers": 1}, "1234"),
    ],
)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(load, changes, expected):
    assert rerun(identities(load()), identities(load(changes))) == expected


def test_what_a_study_does_not_time_in_other_forms_is_in_no_identity(load):
    study = load()
    for run in study.runs():
        one = identity.of_run(study, run.phase, run.given)
        assert "forms" not in str(one.settings) and not set(identity.FORMS) & set(one.parts)
    assert not [name for name in identity.files(study, "notebooks/4_inference.ipynb") if name.endswith("forms.py")]


FORMED = {
    "intermediate": {"temprel": {}, "words": {"method": "lexical_injection", "languages": ["de"]}},
    "inference.target": "mc_facts",
}


def test_forms_are_timed_again_if_their_settings_code_or_checkpoints_change_and_nothing_else_is(load):
    before = identities(load(FORMED))
    forms = FORMED | {"inference.forms": {"adapters": "words", "votes": [4]}}
    after = identities(load(forms))
    assert (
        rerun(before, after) == "14" and rerun(after, identities(load(forms | {"inference.forms.votes": [2]}))) == "14"
    )
    files = identity.files(load(forms), "notebooks/4_inference.ipynb")
    assert {f"stilts_utils/{name}" for name in identity.FORMS} <= set(files)
    starts = identity.of_run(load(forms), "4_inference", {"seed": 1}).starts
    assert "mc_facts from words-4-s1" in starts and "mc_facts from none-0-s1" in starts


def test_peft_and_the_words_are_in_the_identity_of_injection_alone(load, monkeypatch):
    before = identities(load(FORMED))
    monkeypatch.setattr(identity.digests, "pin", lambda package: f"{package}==99")
    assert {key for key, value in identities(load(FORMED)).items() if value != before[key]} == {
        key for key in before if "words" in key
    }


def test_a_seed_or_an_arm_more_runs_its_own_runs_alone(load):
    before = identities(load())
    for change in ({"seeds": [*VALUES.get("seeds", [1]), 9]}, {"intermediate": ["temprel", "nli_num"]}):
        after = identities(load(change))
        same = {key for key in before if before[key] == after[key]}
        assert {key for key in before if key[0] in "23"} <= same


def test_a_target_is_another_one_s_business_in_nothing(load):
    study = load()
    first, second = "ner_slots", "qa_parts"
    other = dataclasses.replace(
        study, targets=study.targets | {second: dataclasses.replace(study.targets[second], items=3)}
    )
    assert identity.of_scores(study, first, *ARM) == identity.of_scores(other, first, *ARM)
    assert identity.of_scores(study, second, *ARM) != identity.of_scores(other, second, *ARM)
    less = dataclasses.replace(study, targets={name: fit for name, fit in study.targets.items() if name != second})
    assert identity.of_scores(study, first, *ARM) == identity.of_scores(less, first, *ARM)


def test_the_margin_judges_and_no_more(load):
    assert (
        identities(load())["4_inference/ner_slots-s1"]
        == identities(load({"inference.margin": 0.1}))["4_inference/ner_slots-s1"]
    )


def test_a_checkpoint_does_not_depend_on_other_durations_but_on_its_own(load):
    study, longer = load(), load({"durations": [0, 2, 3, 4, 8]})
    assert identity.of_intermediate(study, *ARM) == identity.of_intermediate(longer, *ARM)
    assert identity.of_intermediate(study, *ARM) != identity.of_intermediate(study, "temprel", 4, 1)


def test_an_identity_says_what_changed(load):
    then = identity.of_run(load(), "2_intermediate", {"intermediate": "temprel", "seed": 1})
    now = identity.of_run(load({"training.batch_size": 3}), "2_intermediate", {"intermediate": "temprel", "seed": 1})
    assert now.changes(then.parts) == ["settings.recipe.batch_size"]
    assert then.changes(then.parts) == []


MIRRORED = {
    "source": "mirror",
    "languages": ["en", "de"],
    "missing": "skip",
    "intermediate": {"mnli": {}},
    "targets": {"xnli": {"steps": 2}, "panx": {"steps": 2}},
    "inference": {"target": "panx"},
}


def test_other_data_are_another_run_of_those_who_read_them(load, tmp_path, monkeypatch):
    monkeypatch.setenv("STILTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path / "cache"))
    study = load(MIRRORED)
    from stilts_utils.tasks import task

    for name in ("mnli", "xnli", "panx"):
        for rows in task(name).sets:
            for code in ("de", "en"):
                file = tmp_path / "mirror" / rows.hub / rows.of(code).config / f"{rows.split}.parquet"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(name.encode())
    before = identities(study)
    assert identities(study) == before  # now by the digests that are kept
    changed = tmp_path / "mirror" / task("panx").sets[0].hub / task("panx").sets[0].of("de").config
    next(changed.glob("*.parquet")).write_bytes(b"other rows")
    after = identities(study)
    assert before["2_intermediate/mnli-s1"] == after["2_intermediate/mnli-s1"]
    assert before["3_target/none-0-s1"] != after["3_target/none-0-s1"]
    assert before["4_inference/panx-s1"] != after["4_inference/panx-s1"]
    test = task("xnli").test
    for code, same in (("de", True), ("en", False)):  # training rows are kept apart from the English ones
        (tmp_path / "mirror" / test.hub / test.of(code).config / f"{test.split}.parquet").write_bytes(b"other rows")
        assert (identities(study)["2_intermediate/mnli-s1"] == before["2_intermediate/mnli-s1"]) == same


def test_another_encoder_in_the_same_folder_is_another_run(load, tmp_path, monkeypatch):
    monkeypatch.setenv("STILTS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder/model.safetensors").write_bytes(b"one")
    study = load({"encoder": str(tmp_path / "encoder")})
    before = identities(study)
    (tmp_path / "encoder/model.safetensors").write_bytes(b"two, longer")
    after = identities(study)
    assert all(before[key] != after[key] for key in before)


@pytest.fixture
def checkout(code_copy, monkeypatch):
    """`checkout(path, old, new)` changes a copy of the code, of which identities then are."""
    monkeypatch.setattr(digests, "ROOT", code_copy)

    def change(path, old, new):
        text = (code_copy / path).read_text(encoding="utf8")
        assert old in text, path
        (code_copy / path).write_text(text.replace(old, new) if old else text + new, encoding="utf8")
        digests.forget()  # as in another process

    return change


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("stilts_utils/training/trajectory.py", "def run(", "# why\n    def run(", ""),
        ("stilts_utils/training/trajectory.py", "Train up to", "Go on up to", ""),
        ("stilts_utils/training/trajectory.py", "loss.backward()", "(loss * 0).backward()", "234"),
        ("stilts_utils/report/figures/style.py", "", "UNUSED = 1\n", ""),
        ("stilts_utils/analysis/bootstrap.py", "", "UNUSED = 1\n", ""),
        ("stilts_utils/analysis/controls.py", "", "UNUSED = 1\n", ""),
        ("stilts_utils/analysis/exit_rules.py", "import numpy", "UNUSED = 1\nimport numpy", "34"),
        ("stilts_utils/study/hypotheses.py", "", "UNUSED = 1\n", "1"),
        ("stilts_utils/tasks/targets.py", "", "UNUSED = 1\n", ""),
        ("stilts_utils/data/mirror.py", "import os", "import os\nUNUSED = 1", ""),  # the rows are generated
        ("notebooks/3_target.ipynb", "# Target", "# Another heading", ""),
        ("notebooks/3_target.ipynb", ".round(1)", ".round(2)", ""),  # of cells that only show
        ("notebooks/3_target.ipynb", "frames = transfer(", "frames = frames2 = transfer(", "3"),
        ("constraints.txt", "torch==", "torch==99", "1234"),
    ],
)
def test_code_counts_as_far_as_results_depend_on_it(load, checkout, path, old, new, expected):
    before = identities(load())
    checkout(path, old, new)
    found = rerun(before, identities(load()))
    assert found.removeprefix("1" if expected[:1] != "1" else "") == expected or found == expected


def test_a_change_that_was_declared_harmless_changes_nothing(load, checkout, monkeypatch, tmp_path):
    monkeypatch.setattr("stilts_utils.study.study.ROOT", tmp_path)
    study, roots = load(), ["notebooks/2_intermediate.ipynb", *identity.CHECKPOINTS.values(), identity.SCORES]
    before = identities(study), {root: identity.code(study, root) for root in roots}
    checkout(
        "stilts_utils/training/trajectory.py", "computed = lesson.compute(", "computed = of_this_step = lesson.compute("
    )
    assert identities(study) != before[0]
    now = {root: identity.code(study, root) for root in roots}
    harmless.declare(study.folder, [{"root": r, "now": now[r], "then": before[1][r], "why": "a name"} for r in roots])
    after = identities(study)
    assert {key: after[key] for key in after if key[0] == "2"} == {k: v for k, v in before[0].items() if k[0] == "2"}
    checkout("stilts_utils/training/trajectory.py", "loss.backward()", "(loss * 0).backward()")
    assert identities(study)["2_intermediate/temprel-s1"] != before[0]["2_intermediate/temprel-s1"]


def test_methods_left_the_settings_of_plain_arms_as_they_were(load):
    """A field at its default enters no identity: the digest is of the time before there were methods."""
    runs = [run for run in load().runs() if run.phase[0] in "23"]
    settings = {run.key: identity.of_run(load(), run.phase, run.given).parts["settings"] for run in runs}
    assert hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16] == "7210fd0901dabf0e"
