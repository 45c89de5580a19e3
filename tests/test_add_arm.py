"""The worked example of the page on adding an arm."""

import yaml

from stilts_utils import ROOT
from stilts_utils.study.study import Study
from stilts_utils.training import methods
from tests.training.methods.conftest import begin as begin  # noqa: F401 - a fixture

pytest_plugins = ["tests.own_plugins"]


def test_the_example_goes_on_with_a_target_on_other_tokens(plugged, begin, tiny_encoder):
    arms = {"temprel": {}, "dropped": {"method": "token_dropout"}}
    arm = plugged("example_method.py", intermediate=arms).intermediate["dropped"]
    example = methods._module(arm)
    assert arm.in_target_phase and example.TOKEN_DROPOUT is arm.entry

    def finished():
        training = begin().run(2)
        training.lessons[0] = example.lesson(
            training.lessons[0], arm, training.seed, tiny_encoder.tokenizer.all_special_ids
        )
        return training.run(5)

    one, other, plain = finished(), finished(), begin().run(5)
    assert one.log == other.log and one.log[:2] == plain.log[:2]
    assert one.log[2]["loss"] != plain.log[2]["loss"] and one.log[2]["operations"] == plain.log[2]["operations"]


def test_the_arms_of_the_page_are_arms_of_a_study(tmp_path):
    text = (ROOT / "book" / "add_arm.md").read_text(encoding="utf8")
    arms = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["intermediate"]
    made = yaml.safe_load((ROOT / "studies" / "mini.yaml").read_text(encoding="utf8")) | {"intermediate": arms}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf8")
    study = Study.load(tmp_path / "own.yaml")
    assert list(study.intermediate) == list(arms) and study.in_target_phase("adversarial")
