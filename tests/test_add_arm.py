"""The worked example of the page on adding an arm."""

import importlib.util
import sys

import pytest
import yaml

from stilts_utils import ROOT
from stilts_utils.study import methods as registry
from stilts_utils.study.settings import Arm
from stilts_utils.study.study import Study
from stilts_utils.training import methods
from tests.training.methods.conftest import begin as begin  # noqa: F401 - a fixture


@pytest.fixture
def example(monkeypatch):
    """The example's module, registered as the page says."""
    name = "stilts_utils.training.methods.token_dropout"
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "example_method.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(registry.METHODS, "token_dropout", module.TOKEN_DROPOUT)
    return module


def test_the_example_goes_on_with_a_target_on_other_tokens(example, begin, tiny_encoder):
    arm = Arm(method="token_dropout")
    assert arm.in_target_phase and methods._module(arm) is example

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
