import copy

from stilts_utils.report import differences

pytest_plugins = ["tests.fake_study"]


def test_equal_studies_do_not_differ(found):
    assert differences.settings(found.provenance, copy.deepcopy(found.provenance)) == []


def test_settings_that_differ_are_named_with_both_values(found):
    other = copy.deepcopy(found.provenance)
    other["encoder"] |= {"layers": 12, "precision": "bf16"}
    other["study"]["inference"] |= {"exits": None, "engines": ["fp32"]}
    other["study"]["targets"]["mc_facts"] = {"steps": [7], "items": None}
    other["versions"] = {"torch": "3.0.0", "numpy": "2.0.0"}
    assert differences.settings(found.provenance, other) == [
        ("layers", "3", "12"),
        ("training precision", "fp32", "bf16"),
        ("targets", *(f"mc_facts ({n} steps), dtag (5 steps) and retr_bitext" for n in (5, 7))),
        ("engines", "fp32, bf16 and ort", "fp32"),
        ("target of early exit", "mc_facts", "none"),
        ("torch", "2.0.0", "3.0.0"),
    ]


def test_of_long_lists_the_difference_is_shown(found):
    other = copy.deepcopy(found.provenance)
    other["study"]["languages"] = [*"abcdefgh", "en", "de"]
    [(name, first, second)] = differences.settings(found.provenance, other)
    assert (name, first, second) == ("languages", "3, alone sw", "10, alone a, b, c, d, e and others")


def test_machines_are_those_of_training_and_of_timing(found, untimed_found):
    assert [what for what, _ in differences.machines(found.provenance)] == ["trained", "timed"]
    assert (
        "A fake CPU, 2 cores, 2026-01-31, commit 0123456789ab" in dict(differences.machines(found.provenance))["timed"]
    )
    assert dict(differences.machines(untimed_found.provenance))["timed"] == "not timed"
    about = copy.deepcopy(found.provenance)
    about["machine"] |= {"device": "A GPU", "bf16": "amx_bf16"}
    assert dict(differences.machines(about))["trained"].startswith("A GPU, 2 cores, bf16 by amx_bf16, ")
