import dataclasses

from stilts_utils.analysis import findings

pytest_plugins = ["tests.fake_study"]


def test_an_arm_is_above_the_control_where_the_interval_says_so_and_retrieval_has_none(found):
    said = {target: findings.above_control(found, target, "temprel") for target in found.study["targets"]}
    assert said == {"mc_facts": True, "dtag": False, "retr_bitext": None}
    rows = found.over_control.assign(low=-1.0)
    assert findings.above_control(dataclasses.replace(found, over_control=rows), "mc_facts", "temprel") is False


def test_a_target_is_above_its_shortcuts_in_english_and_in_most_languages(found):
    assert findings.above_shortcuts(found) == {"mc_facts": True, "dtag": False, "retr_bitext": True}
    shortcuts = found.tables["shortcuts"]
    lower = shortcuts.assign(score=shortcuts.score.where(shortcuts.target != "dtag", 0.0))
    eased = dataclasses.replace(found, tables=found.tables | {"shortcuts": lower})
    assert findings.above_shortcuts(eased)["dtag"]
    texts = {target: text for target, _, text in findings.beside_shortcuts(found)}
    assert texts["dtag"].startswith("dtag (English ") and texts["retr_bitext"].startswith(
        "retr_bitext (mean over languages "
    )
