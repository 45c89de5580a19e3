import pytest

from stilts_utils.study.methods import METHODS, TARGET, Method
from stilts_utils.study.settings import Arm


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_does_and_reads_fields_of_an_arm(name):
    method = METHODS[name]
    assert method.name == name and method.says[0].islower() and not method.says.endswith(".")
    assert set(method.fields) <= Arm.__dataclass_fields__.keys()
    assert Arm(method=name, languages=("sw",) if method.languages else None).entry is method


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phase": "before"}, "method odd: phase is 'before', allowed: intermediate, target"),
        ({"shapes": ("round",)}, r"method odd: shapes is \('round',\), allowed: some of pair, choice"),
        ({"phase": TARGET}, "method odd: tasks is True, allowed: False in phase target"),
    ],
)
def test_a_wrong_method_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Method(**{"name": "odd", "phase": "intermediate", "module": "odd", "says": "nothing"} | changes)


def test_an_arm_s_identity_holds_the_fields_of_its_method_alone():
    assert Arm().read == Arm(tasks=("a", "b")).read == Arm(durations=(0, 3)).read == {}
    assert Arm(method="mlm").read == {"method": "mlm", "mlm": 0.5}
    assert Arm(method="adversarial", radius=0.2).read == {"method": "adversarial", "radius": 0.2, "ascents": 3}
    injected = Arm(method="lexical_injection", languages=("sw",), layer=3)
    assert injected.read == {
        "method": "lexical_injection",
        "shuffled": False,
        "layer": 3,
        "margin": 0.05,
        "languages": ("sw",),
    }
    assert Arm(languages=("en", "de")).read == {"languages": ("en", "de")}
