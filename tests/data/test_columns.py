import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from stilts_utils.data import columns
from stilts_utils.tasks import TASKS, HubRows

TABLE = Dataset.from_list(
    [
        {"a": "one", "b": "two", "nested": {"text": ["x", "y"]}},
        {"a": "three", "b": "{four}", "nested": {"text": ["z"]}},
    ]
)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("a", ["one", "three"]),
        ("nested.text", [["x", "y"], ["z"]]),
        ("{a} and {b}?", ["one and two?", "three and {four}?"]),
        (("a", "b"), [["one", "two"], ["three", "{four}"]]),
        (("{a}!", "b"), [["one!", "two"], ["three!", "{four}"]]),
    ],
)
def test_values_of_a_column(spec, found):
    assert columns.values(spec, TABLE) == found


def _pair(labels, **options):
    rows = HubRows("maker/set", "default", "test", {"text_a": "a", "text_b": "b", "label": "label"}, **options)
    return rows, Dataset.from_list([{"a": "x", "b": "y", "label": label} for label in labels])


def test_a_missing_column_is_named_with_the_columns_there_are():
    rows = HubRows("maker/set", "default", "test", {"text_a": "a", "text_b": "{c} {d}", "label": "label"})
    with pytest.raises(ValueError, match="columns c, d, label are missing, there are: a, b, nested; correct `columns`"):
        columns.check(TASKS["xnli"], rows, TABLE)


@pytest.mark.parametrize("nested", [False, True])
def test_classes_in_another_order_are_refused(nested):
    task = TASKS["panx" if nested else "xnli"]
    names = [*task.labels[1:], task.labels[0]]
    feature = List(ClassLabel(names=names)) if nested else ClassLabel(names=names)
    table = Dataset.from_dict({"t": [], "label": []}, features=Features({"t": Value("string"), "label": feature}))
    wanted = {"tokens": "t", "tags": "label"} if nested else {"text_a": "t", "text_b": "t", "label": "label"}
    rows = HubRows("maker/set", "default", "test", wanted)
    with pytest.raises(ValueError, match="the order must be the same: correct `labels` or name the raw values"):
        columns.check(task, rows, table)
    columns.check(task, HubRows("maker/set", "default", "test", wanted, classes=tuple(range(9))), table)


def test_rows_without_a_gold_label_are_left_out_of_a_set_that_is_known_for_them():
    known = {"flaws": ("unlabelled",)}
    assert columns.usable(*_pair([0, -1, 2, None], **known)).tolist() == [0, 2]
    assert columns.usable(*_pair(["A", "", "B"], classes=("A", "B"), **known)).tolist() == [0, 2]
    assert columns.flawed(*_pair([0, -1, 2, None], **known))["unlabelled"].tolist() == [1, 3]
    with pytest.raises(ValueError, match="test has 2 rows, but none to use, 2 left out: no label; take another set"):
        columns.usable(*_pair([-1, -1], **known))
    assert columns.usable(*_pair([0, -1])).tolist() == [0, 1]  # to be refused


def test_misplaced_answers_are_left_out_of_a_set_that_is_known_for_them():
    wanted = {"context": "c", "question": "q", "answers": "a"}
    places = [{"text": ["b"], "answer_start": [start]} for start in (2, 1)] + [{"text": [], "answer_start": []}]
    table = Dataset.from_list([{"c": "a b", "q": "?", "a": answer} for answer in places])
    rows = HubRows("maker/set", "default", "train", wanted, flaws=("misplaced",))
    assert columns.usable(rows, table).tolist() == [0, 2]
    with pytest.raises(ValueError, match="flaws holds 'unlabelled', allowed with its columns: misplaced"):
        HubRows("maker/set", "default", "train", wanted, flaws=("unlabelled",))


def test_rows_of_a_language_by_their_id():
    wanted = {"id": "id", "context": "c", "question": "q", "answers": "a"}
    rows = HubRows("maker/set", "all", "validation", wanted, only="finnish-")
    table = Dataset.from_list([{"id": "korean-1"}, {"id": "finnish-1"}, {"id": "finnish-2"}])
    assert columns.usable(rows, table).tolist() == [1, 2]


def test_an_id_is_the_sets_own_if_it_tells_rows_apart():
    rows = HubRows("maker/set", "default", "test", {"id": "id"})
    assert columns.ids(rows, Dataset.from_list([{"id": 7}, {"id": 9}])) == ["7", "9"]
    assert columns.ids(rows, Dataset.from_list([{"id": "a"}, {"id": "a"}])) == ["0", "1"]
    assert columns.ids(HubRows("maker/set", "default", "test", {}), TABLE) == ["0", "1"]


def test_raw_labels_become_class_indices():
    rows, table = _pair(["no", "yes"], classes=("yes", "no", "perhaps"))
    assert columns.convert(TASKS["xnli"], rows, table, ["0", "1"])["label"][:] == [1, 0]
    rows, table = _pair(["maybe"], classes=("yes", "no"))
    with pytest.raises(ValueError, match=r"maker/set default test, row 0: label is 'maybe', allowed: yes, no; correct"):
        columns.convert(TASKS["xnli"], rows, table, ["0"])


def test_answers_keep_their_two_lists_and_may_lack_only_where_the_task_says_so():
    answers = [{"text": ["b"], "answer_start": [2], "more": [1]}, {"text": [], "answer_start": [], "more": []}]
    table = Dataset.from_list([{"c": "a b", "q": "what?", "a": answer} for answer in answers])
    rows = HubRows("maker/set", "default", "test", {"context": "c", "question": "q", "answers": "a"})
    found = columns.convert(TASKS["squad2"], rows, table, ["0", "1"])
    assert found["answers"][:] == [{"text": ["b"], "answer_start": [2]}, {"text": [], "answer_start": []}]
    with pytest.raises(ValueError, match="row 1: answers .* is .* allowed: one or more"):
        columns.convert(TASKS["squad"], rows, table, ["0", "1"])


def test_tags_of_a_set_that_brings_its_own():
    rows = HubRows("ccgbank", "default", "train", {"tokens": "tokens", "tags": "tags"})
    table = Dataset.from_list([{"tags": ["S", "NP"]}, {"tags": ["NP"]}])
    assert columns.names(rows, table) == ["NP", "S"]
    with pytest.raises(ValueError, match="ccgbank default train: a tag is 7, allowed: names"):
        columns.names(rows, Dataset.from_list([{"tags": [7]}]))
