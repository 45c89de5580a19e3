import dataclasses

import pytest

from stilts_utils.tasks import ROLES, SHAPES, TASKS, Task, task

COLUMNS = {
    "pair": {"id", "text_a", "text_b", "label"},
    "choice": {"id", "question", "choices", "label"},
    "tagging": {"id", "tokens", "tags"},
    "span": {"id", "context", "question", "answers"},
    "retrieval": {"id", "query", "target", "target_id"},
}


@pytest.mark.parametrize("found", TASKS.values(), ids=TASKS)
def test_an_entry_of_the_registry(found):
    assert TASKS[found.name] is found is task(found.name)
    assert set(found.features) == COLUMNS[found.shape]
    assert found.trainable == (found.shape != "retrieval")
    assert found.roles and found.stands_in_for and found.asks.endswith("?")


def test_every_shape_and_role_is_covered():
    assert {found.shape for found in TASKS.values()} == set(SHAPES)
    assert {role for found in TASKS.values() for role in found.roles} == set(ROLES)


def test_tags_are_in_bio_with_o_first():
    for found in (found for found in TASKS.values() if found.shape == "tagging"):
        assert found.labels[0] == "O"
        kinds = {label[2:] for label in found.labels[1:]}
        assert set(found.labels[1:]) == {f"{prefix}-{kind}" for prefix in "BI" for kind in kinds}


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="task is 'xnli', allowed: temprel, nli_num"):
        task("xnli")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": "triple"}, "shape is 'triple', allowed: pair, choice"),
        ({"category": "fun"}, "category is 'fun', allowed: classification"),
        ({"roles": ("target", "judge")}, "roles is 'judge', allowed: intermediate, target"),
        ({"labels": ()}, "labels belong to the shapes pair and tagging"),
        ({"shape": "span"}, "labels belong to the shapes pair and tagging, not span"),
    ],
)
def test_a_wrong_entry_is_refused(change, said):
    values = {f.name: getattr(TASKS["temprel"], f.name) for f in dataclasses.fields(Task)}
    with pytest.raises(ValueError, match=said):
        Task(**values | change)
