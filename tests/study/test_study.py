import json

import jsonschema
import pytest
import yaml

from stilts_utils import ROOT
from stilts_utils.study import schema
from stilts_utils.study.settings import PRETRAINED, Recipe
from stilts_utils.study.source import Source
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError

STUDIES = [path.stem for path in sorted((ROOT / "studies").glob("*.yaml"))]
SMALL = {
    "title": "small",
    "encoder": "random",
    "languages": ["en", "de"],
    "intermediate": ["temprel", "nli_num"],
    "durations": [0, 2, 4],
    "seeds": [1, 2, 3],
    "targets": {"mc_facts": {"steps": 3}, "dtag": {"steps": 2, "items": 5}, "retr_bitext": {}},
    "inference": {"target": "mc_facts", "languages": ["en"]},
}


@pytest.fixture
def load(tmp_path):
    """`load(path=value, ...)`: the small study with some fields replaced, "a.b" for b in a; None removes a field."""

    def make(**changes):
        values = json.loads(json.dumps(SMALL))
        for path, value in changes.items():
            *parents, last = path.split(".")
            place = values
            for parent in parents:
                place = place[parent]
            place[last] = value
            if value is None:
                del place[last]
        file = tmp_path / "small.yaml"
        file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf8")
        return Study.load(file)

    return make


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_of_the_repository_loads(name):
    study = Study.load(f"studies/{name}.yaml")
    assert study.name == name
    assert study.folder == ROOT / "runs" / name
    keys = [run.key for run in study.runs()]
    assert len(set(keys)) == len(keys)


def test_what_a_file_leaves_out_has_a_default(load):
    study = load()
    assert study.training == Recipe()
    assert (study.items, study.items_of("mc_facts"), study.items_of("dtag")) == (100, 100, 5)
    assert study.targets["retr_bitext"].steps == ()
    assert study.longest == 4


def test_a_whole_number_will_do_for_a_real_one(load):
    assert load(**{"inference.seconds": 3}).inference.seconds == 3.0


def test_an_override_replaces_the_file_unless_it_is_none():
    study = Study.load("studies/smoke.yaml", languages=["en", "de", "ru"], encoder=None)
    assert study.languages == ("en", "de", "ru")
    assert study.encoder == "random"


WRONG = [
    (
        {"durations": [0, 4, 2]},
        r"durations is \[0, 4, 2\], allowed: optimizer steps from 0 upwards, each larger than the one ",
    ),
    ({"durations": [0, 4, 4]}, "durations is"),
    ({"durations": [2, 4]}, "durations is"),
    ({"durations": [-2, 0, 4]}, "durations is"),
    ({"durations": []}, "durations is"),
    ({"durations": [0]}, "durations is .* allowed: optimizer steps from 0 upwards"),
    ({"durations": [0, 2.5]}, r"durations\.1 is 2\.5, allowed: a whole number"),
    ({"durations": [0, True]}, r"durations\.1 is True, allowed: a whole number"),
    ({"intermediate": []}, r"intermediate is \[\], allowed: one or more"),
    ({"intermediate": ["temprel", "temprel"]}, r"intermediate is \['temprel', 'temprel'\], allowed: distinct values"),
    ({"intermediate": ["mnli"]}, "intermediate task is 'mnli', allowed: temprel, "),
    ({"intermediate": ["retr_bitext"]}, "intermediate task is 'retr_bitext', allowed: temprel, "),
    ({"targets": {"xnli": {"steps": 1}}}, "target task is 'xnli', allowed: nli_num, "),
    ({"targets": {"temprel": {"steps": 1}}}, "target task is 'temprel', allowed: nli_num, "),
    ({"targets": ["mc_facts"]}, r"targets\.mc_facts\.steps is \(\), allowed: 1 number\(s\), one per stage"),
    ({"targets.mc_facts": 0}, "small.yaml: targets.mc_facts is 0, allowed: a mapping"),
    ({"targets.mc_facts.steps": 0}, r"targets\.mc_facts\.steps\.0 is 0, allowed: greater than or equal to 1"),
    ({"targets.mc_facts.steps": -1}, r"targets\.mc_facts\.steps\.0 is -1, allowed: greater than or equal to 1"),
    ({"targets.retr_bitext.steps": 3}, r"targets.retr_bitext.steps is \(3,\), allowed: 0 number"),
    ({"targets.dtag.items": 0}, r"targets\.dtag\.items is 0, allowed: greater than or equal to 1"),
    ({"targets.dtag.batch_size": 0}, r"targets\.dtag\.batch_size is 0, allowed: greater than or equal to 1"),
    ({"encoder": "best"}, "encoder is 'best', allowed: packaged, random, a hub id"),
    ({"layers": 0}, "layers is 0, allowed: greater than or equal to 1"),
    ({"layers_without_bf16": -1}, "layers_without_bf16 is -1, allowed: greater than or equal to 1"),
    ({"layers": "all"}, "layers is 'all', allowed: a whole number"),
    ({"source": "disk"}, "source is 'disk', allowed: 'embedded', 'hub' or 'mirror'"),
    ({"source": "hub"}, "intermediate task is 'temprel', allowed: .*mnli.* [(]source hub[)]"),
    ({"gpus": -1}, "gpus is -1, allowed: greater than or equal to 0"),
    (
        {"intermediate": {"temprel": {"durations": [0]}}},
        r"intermediate\.temprel\.durations is \[0\], allowed: optimizer steps from 0 upwards, each large",
    ),
    ({"name": "my study"}, "name of the study file is 'my study', allowed: small letters, digits, - and _"),
    (
        {"intermediate": {"<b>": {"tasks": ["temprel", "nli_num"]}}},
        "intermediate task is '<b>', allowed: small letters",
    ),
    ({"intermediate": {"both": {"tasks": ["temprel", "temprel"]}}}, "both.tasks is .*, allowed: distinct values"),
    ({"intermediate": {"temprel": {"method": "magic"}}}, "intermediate.method is 'magic', allowed: supervised, mlm, "),
    ({"intermediate": {"temprel": {"mlm": 0.2}}}, "intermediate.mlm is 0.2, allowed: none but with method mlm"),
    ({"intermediate": {"temprel": {"ascents": 9}}}, "intermediate.ascents is 9, allowed: none but with .* adversarial"),
    (
        {"intermediate": {"temprel": {}, "text": {"method": "mlm_alone", "tasks": ["temprel"]}}},
        "intermediate.tasks is .* allowed: none with method mlm_alone",
    ),
    (
        {"intermediate": {"temprel": {}, "rs": {"method": "synonyms", "languages": ["de"]}}},
        "intermediate.languages is .* allowed: none with method synonyms",
    ),
    (
        {"intermediate": {"temprel": {}, "words": {"method": "lexical_injection"}}},
        "intermediate.languages is None, allowed: languages to find translations in, with method lexical_injection",
    ),
    (
        {"intermediate": {"temprel": {}, "words": {"method": "lexical_injection", "languages": ["en"]}}},
        r"intermediate.words.languages is \('en',\), allowed: some of the study's, but English: ",
    ),
    ({"intermediate": {"temprel": {"languages": ["xx"]}}}, "intermediate.temprel.languages is 'xx', allowed: "),
    (
        {"intermediate": {"rs": {"method": "adversarial"}}},
        "intermediate is 'rs', allowed: first an arm whose durations",
    ),
    (
        {"intermediate": {"temprel": {}, "rs": {"method": "adversarial"}}, "targets": {"dtag": {"steps": 1}}},
        "intermediate.rs.method is 'adversarial', allowed: a study with a target of the shapes .*: pair, choice",
    ),
    ({"intermediate": {"both": {"tasks": ["temprel", "mnli"]}}}, "intermediate task is 'mnli', allowed: temprel"),
    (
        {"intermediate": {"target": {"tasks": ["temprel", "nli_num"]}}},
        "intermediate task is 'target', allowed: another",
    ),
    ({"targets.mc_facts.steps": [2, 2]}, r"targets.mc_facts.steps is \(2, 2\), allowed: 1 number"),
    ({"missing": "ignore"}, "missing is 'ignore', allowed: 'error' or 'skip'"),
    ({"items": 0}, "items is 0, allowed: greater than or equal to 1"),
    ({"languages": []}, r"languages is \[\], allowed: one or more"),
    ({"languages": ["en", "en"]}, r"languages is \['en', 'en'\], allowed: distinct values"),
    ({"languages": ["en", "ed"]}, "languages is 'ed', allowed: (.+, )?de, (.+, )?en, .*; correct it, or add"),
    ({"languages": ["en", False]}, r"languages\.1 is False, allowed: a text"),  # YAML reads `no` so
    ({"languages": "en"}, "languages is 'en', allowed: a list"),
    ({"seeds": [1, 2, 1]}, r"seeds is \[1, 2, 1\], allowed: distinct values"),
    ({"seeds": []}, "seeds is"),
    ({"split_targets": 1}, "split_targets is 1, allowed: true or false"),
    ({"colour": "red"}, "small.yaml: field is 'colour', allowed: name, title"),
    ({"title": None}, "small.yaml: field title is missing"),
    ({"training": {"lr": 1.0}}, "training: field is 'lr', allowed: encoder_lr, head_lr"),
    ({"training": {"encoder_lr": "1e-4"}}, r"training\.encoder_lr is '1e-4', allowed: a number"),
    ({"training": {"encoder_lr": -1}}, r"training\.encoder_lr is -1, allowed: greater than or equal to 0"),
    ({"training": {"batch_size": 0}}, r"training\.batch_size is 0, allowed: greater than or equal to 1"),
    ({"training": {"warmup_steps": -1}}, r"training\.warmup_steps is -1, allowed: greater than or equal to 0"),
    ({"training": {"weight_decay": -0.1}}, r"training\.weight_decay is -0\.1, allowed: greater than or equal to 0"),
    ({"training": {"dropout": 1.0}}, r"training\.dropout is 1\.0, allowed: less than 1"),
    ({"inference": 8}, "inference is 8, allowed: a mapping of fields"),
    ({"inference.target": "qa_log"}, "inference.target is 'qa_log', allowed: mc_facts, dtag"),
    ({"inference.target": "retr_bitext"}, "inference.target is 'retr_bitext', allowed: mc_facts, dtag"),
    ({"inference.languages": ["sw"]}, "inference.languages is .*'sw'.* allowed: languages of the study"),
    ({"inference.languages": []}, r"inference\.languages is \[\], allowed: one or more"),
    ({"inference.batch_sizes": []}, r"inference\.batch_sizes is \[\], allowed: one or more"),
    ({"inference.batch_sizes": [1, 1]}, r"inference\.batch_sizes is \[1, 1\], allowed: distinct values"),
    ({"inference.batch_sizes": [0, 1]}, r"inference\.batch_sizes\.0 is 0, allowed: greater than or equal to 1"),
    ({"inference.replicates": 0}, r"inference\.replicates is 0, allowed: greater than or equal to 1"),
    ({"inference.replicates": 1, "seeds": [3]}, r"inference\.replicates is 1, allowed: 2 or more with one seed"),
    (
        {"intermediate": {"temprel": {"seeds": [9]}}},
        r"intermediate\.temprel\.seeds is \(9,\), allowed: of the study's seeds",
    ),
    ({"inference.seconds": 0}, r"inference\.seconds is 0, allowed: greater than 0"),
    ({"inference.seconds": float("nan")}, r"inference\.seconds is nan, allowed: a finite number"),
    ({"inference.margin": 1.0}, r"inference\.margin is 1\.0, allowed: less than 1"),
    ({"inference.planted": 0.0}, r"inference\.planted is 0\.0, allowed: greater than 0"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG, ids=[str(changes) for changes, _ in WRONG])
def test_a_mistake_names_field_value_and_what_is_allowed(load, changes, said):
    with pytest.raises(StudyError, match=said):
        load(**changes)


def test_the_name_of_a_study_file_is_checked_when_it_is_read(tmp_path):
    file = tmp_path / "my study.yaml"
    file.write_text((ROOT / "studies/smoke.yaml").read_text(encoding="utf8"), encoding="utf8")
    with pytest.raises(
        StudyError, match="name of the study file is 'my study', allowed: small letters, digits, - and _"
    ):
        Study.load(file)


@pytest.mark.parametrize("content", ["", "- a list\n", "text\n"])
def test_a_file_without_fields_is_refused(tmp_path, content):
    file = tmp_path / "odd.yaml"
    file.write_text(content, encoding="utf8")
    with pytest.raises(StudyError, match="odd.yaml is .* allowed: a mapping of fields"):
        Study.load(file, encoder="random")


def test_a_missing_file_is_refused_with_those_there_are():
    with pytest.raises(StudyError, match="study is 'studies/big.yaml'.* there are: .*studies/mini.yaml"):
        Study.load("studies/big.yaml")


def test_the_list_of_runs(load):
    runs = load().runs()
    count = {phase: sum(run.phase == phase for run in runs) for phase in sorted({run.phase for run in runs})}
    # 2 intermediate tasks x 3 seeds; per seed: duration 0 with the control, 2 x 2 arms
    assert count == {"1_pretrained": 1, "2_intermediate": 6, "3_target": 3 * (1 + 4), "4_inference": 3}


def test_an_arm_of_its_own_seeds_has_their_runs_alone(load):
    study = load(intermediate={"temprel": {"seeds": [1]}, "nli_num": {}})
    runs = [run for run in study.runs() if run.given.get("seed", 1) != 1]
    assert {run.parameters["intermediate"] for run in runs if run.phase in ("2_intermediate", "3_target")} == {
        "none",
        "nli_num",
    }
    assert [run.key for run in study.runs() if run.phase == "4_inference"] == ["4_inference/mc_facts-s1"]


def test_controls_are_of_all_targets_that_are_trained_or_of_those_that_are_named(load):
    assert [name for name in SMALL["targets"] if load().controlled(name)] == ["mc_facts", "dtag"]
    assert [name for name in SMALL["targets"] if load(controls=["dtag"]).controlled(name)] == ["dtag"]
    with pytest.raises(
        StudyError, match=r"controls is \('xnli',\), allowed: targets of the study: mc_facts, dtag, retr_bitext"
    ):
        load(controls=["xnli"])


def test_the_runs_of_a_seed_are_the_same_with_another_seed(load):
    few, more = load(seeds=[1, 2]), load(seeds=[1, 2, 3])
    assert [run for run in more.runs() if run.given.get("seed") != 3] == few.runs()
    assert more.processes(2) == few.processes(2)


def test_targets_in_runs_of_their_own(load):
    runs = [run for run in load(split_targets=True).runs() if run.phase == "3_target"]
    names = [run.parameters["targets"] for run in runs]
    assert {name: names.count([name]) for name in SMALL["targets"]} == {"mc_facts": 15, "dtag": 15, "retr_bitext": 15}


def test_an_arm_comes_after_its_own_trajectory_alone(load):
    for run in load().runs():
        if run.phase == "3_target":
            of, seed = run.parameters["intermediate"], run.parameters["seed"]
            expected = () if of == PRETRAINED else (f"2_intermediate/{of}-s{seed}",)
            assert run.after == expected, run.key


@pytest.mark.parametrize("split", [False, True])
def test_runs_come_after_those_they_read(load, split):
    study = load(split_targets=split)
    done = set()
    for run in study.runs():
        assert set(run.after) <= done, run.key
        assert run.key not in done
        done.add(run.key)
    timed = next(run for run in study.runs() if run.phase == "4_inference")
    assert {key.split("-")[0] for key in timed.after} == {"3_target/none", "3_target/temprel"}  # the arm that is timed
    assert not split or all(key.endswith("-mc_facts") for key in timed.after)


def test_the_parameters_of_every_arm_pass_their_own_check(load):
    study = load()
    for run in study.runs():
        if run.phase == "3_target":
            study.check_intermediate(*(run.parameters[name] for name in ("intermediate", "duration", "seed")))
            study.target_names(run.parameters["targets"])


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        (("dtag", 2, 1), "intermediate is 'dtag', allowed: temprel, nli_num, none"),
        (("temprel", -3, 1), "duration is -3, allowed: 0 or more"),
        (("temprel", 0, 1), "duration is 0, allowed: 0 with 'none' only"),
        (("none", 2, 1), "duration is 2, allowed: 0 with 'none' only"),
        (("temprel", 2, 9), "seed is 9, allowed: 1, 2, 3"),
    ],
)
def test_a_wrong_arm_is_refused(load, arm, said):
    with pytest.raises(StudyError, match=said):
        load().check_intermediate(*arm)


def test_target_names_are_checked(load):
    assert load().target_names() == ("mc_facts", "dtag", "retr_bitext")
    assert load().target_names(["dtag"]) == ("dtag",)
    with pytest.raises(StudyError, match="target is 'qa_log', allowed: mc_facts, dtag, retr_bitext"):
        load().target_names(["qa_log"])


def test_a_run_gives_its_notebook_parameters(load):
    run = load().runs()[1]
    parameters = json.loads(run.as_json("studies/small.yaml", "runs/small/x"))
    assert parameters == {"study": "studies/small.yaml", "out": "runs/small/x", "intermediate": "temprel", "seed": 1}


def test_an_intermediate_task_may_have_durations_of_its_own(load):
    study = load(intermediate={"temprel": {"durations": [0, 1, 8]}, "nli_num": {}})
    assert (study.durations_of("temprel"), study.durations_of("nli_num"), study.longest) == ((0, 1, 8), (0, 2, 4), 8)
    arms = {(run.parameters["intermediate"], run.parameters["duration"]) for run in study.runs() if run.phase[0] == "3"}
    assert arms == {("none", 0), ("temprel", 1), ("temprel", 8), ("nli_num", 2), ("nli_num", 4)}


def test_several_tasks_make_one_arm(load):
    study = load(intermediate={"temprel": {}, "both": {"tasks": ["temprel", "nli_num"], "cap": 50}})
    assert (study.tasks_of("both"), study.tasks_of("temprel")) == (("temprel", "nli_num"), ("temprel",))


def test_an_arm_may_have_another_name_than_its_one_task(load):
    study = load(intermediate={"temprel": {}, "still": {"tasks": ["temprel"], "encoder_lr": 0}})
    assert study.tasks_of("still") == ("temprel",) and study.intermediate["still"].encoder_lr == 0


def test_an_arm_of_the_target_phase_needs_no_run_before_it_and_scores_the_targets_it_can_train(load):
    arms = {"temprel": {}, "worst": {"method": "adversarial", "seeds": [2]}, "text": {"method": "mlm_alone"}}
    study = load(intermediate=arms)
    assert [study.tasks_of(name) for name in arms] == [("temprel",), (), ()]
    assert study.targets_of("worst") == ("mc_facts",) and study.targets_of("text") == tuple(SMALL["targets"])
    runs = {run.key: run for run in study.runs()}
    assert [key for key in runs if "worst" in key] == ["3_target/worst-2-s2", "3_target/worst-4-s2"]
    assert runs["3_target/worst-2-s2"].after == () and runs["3_target/worst-2-s2"].parameters["targets"] == ["mc_facts"]
    assert runs["3_target/text-2-s1"].after == ("2_intermediate/text-s1",)
    assert runs["3_target/text-2-s1"].parameters["targets"] is None
    split = {run.key: run.given for run in load(intermediate=arms, split_targets=True).runs() if "worst" in run.key}
    assert split.keys() == {"3_target/worst-2-s2-mc_facts", "3_target/worst-4-s2-mc_facts"}


def test_a_mirror_is_named_by_the_study_or_by_the_environment(load, monkeypatch):
    real = {"source": "mirror", "intermediate": ["mnli"], "targets": {"xnli": {"steps": 1}}, "inference.target": "xnli"}
    monkeypatch.delenv("STILTS_MIRROR", raising=False)
    assert load().data_source == Source()
    assert load(**real, mirror="copy").data_source == Source("mirror", ROOT / "copy")
    with pytest.raises(StudyError, match="mirror is None, allowed: a folder .* STILTS_MIRROR"):
        load(**real).data_source  # noqa: B018 - the property raises
    monkeypatch.setenv("STILTS_MIRROR", "/elsewhere")
    assert str(load(**real, mirror="copy").data_source.root) == "/elsewhere"


def test_an_official_length_stays_within_the_study_s(load):
    real = {"source": "mirror", "intermediate": ["mnli"], "inference.target": "xnli"}
    targets = {"xnli": {"steps": 1}, "xquad": {"steps": 1}}
    study = load(**real, targets=targets, training={"max_length": 160})
    assert (study.max_length("xnli"), study.max_length("xquad")) == (128, 160)


def test_the_schema_for_editors_is_that_of_the_fields():
    assert schema.FILE.read_text(encoding="utf8") == schema.text(), "run `python -m stilts_utils.study.schema`"


@pytest.mark.parametrize("name", STUDIES)
def test_the_schema_takes_the_studies_of_the_repository(name):
    values = yaml.safe_load((ROOT / f"studies/{name}.yaml").read_text(encoding="utf8"))
    jsonschema.validate(values, json.loads(schema.text()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values | {"colour": "red"}, json.loads(schema.text()))
