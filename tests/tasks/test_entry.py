import dataclasses

import pytest

from stilts_utils.data import columns
from stilts_utils.tasks import ROLES, SHAPES, TASKS, HubRows, Task, task
from stilts_utils.tasks.entry import bio

COLUMNS = {
    "pair": {"id", "text_a", "text_b", "label"},
    "choice": {"id", "question", "choices", "label"},
    "tagging": {"id", "tokens", "tags"},
    "span": {"id", "context", "question", "answers"},
    "retrieval": {"id", "query", "right"},
}
ROWS = HubRows("maker/set", "{language}", "test", {"text_a": "one", "text_b": "two", "label": "label"})


@pytest.mark.parametrize("found", TASKS.values(), ids=TASKS)
def test_an_entry_of_the_registry(found):
    assert TASKS[found.name] is found is task(found.name)
    assert hash(found) == hash(dataclasses.replace(found))
    assert found.roles and found.asks.endswith("?")
    assert bool(found.stands_in_for) == (found.sources == ("embedded",))
    assert found.trainable == (found.shape != "retrieval") == (found.stages > 0)
    assert found.metrics[0] == found.metric and len(set(found.metrics)) == len(found.metrics)
    if not found.folder_only:
        assert set(columns.features(found)) == COLUMNS[found.shape]


def test_candidates_have_a_context():
    assert set(columns.CANDIDATE_FEATURES) == {"id", "text", "context"}


def test_every_shape_and_role_is_covered():
    assert {found.shape for found in TASKS.values()} == set(SHAPES)
    assert {role for found in TASKS.values() for role in found.roles} == set(ROLES)


def test_span_tags_have_o_first():
    assert bio("PER", "LOC") == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="task is 'xlni', allowed: temprel, nli_num"):
        task("xlni")


def test_rows_of_a_language():
    rows = HubRows("maker/set", "{language}.{language}", "test", {}, only="{language}-")
    assert rows.multilingual and not rows.of("de").multilingual
    assert str(rows.of("de")) == "maker/set de.de test, ids de-..."
    assert not HubRows("maker/set", "default", "test", {}).multilingual


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": "triple"}, "shape is 'triple', allowed: pair, choice"),
        ({"category": "fun"}, "category is 'fun', allowed: classification"),
        ({"pool": "street"}, "pool is 'street', allowed: language, all"),
        ({"roles": ("target", "judge")}, "roles is 'judge', allowed: intermediate, target"),
        ({"labels": ()}, r"labels is \(\), allowed: names with pair and tagging only"),
        ({"shape": "span"}, "labels is .*, allowed: names with pair and tagging only"),
        ({"unanswerable": True}, "unanswerable is True, allowed: True with span only"),
        ({"max_length": 0}, "max_length is 0, allowed: 1 or more tokens"),
        ({"floor": None}, "floor is None, allowed: a Floor, and None with retrieval only"),
        ({"shape": "retrieval", "labels": ()}, r"floor is Floor\(.*, allowed: a Floor, and None with retrieval only"),
        ({"test": ROWS}, "languages is {}, allowed: codes with hub data sets only"),
        ({"languages": {"en": "en"}}, "languages is {'en': 'en'}, allowed: codes with hub data sets only"),
        ({"not_on_hub": ("de",)}, r"not_on_hub is \('de',\), allowed: some of its languages"),
        (
            {"languages": {"en": "en"}, "test": dataclasses.replace(ROWS, columns={"text_a": "one", "label": "label"})},
            "columns of maker/set {language} test are text_a, label, allowed: label, text_a, text_b",
        ),
    ],
)
def test_a_wrong_entry_is_refused(change, said):
    values = {f.name: getattr(TASKS["temprel"], f.name) for f in dataclasses.fields(Task)}
    with pytest.raises(ValueError, match=f"task temprel: {said}"):
        Task(**values | change)


@pytest.mark.parametrize("name", ["a task", "a|b", "", "../a", "Größe", "a\n"])
def test_a_task_has_a_name_that_files_and_links_can_hold(name):
    with pytest.raises(ValueError, match="name is .*, allowed: small letters, digits, - and _"):
        dataclasses.replace(TASKS["temprel"], name=name)
