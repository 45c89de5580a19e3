import pytest
from hypothesis import given as drawn
from hypothesis import strategies

from stilts_utils.data import embedded, sources
from stilts_utils.data.embedded.plugins import Given
from stilts_utils.data.embedded.sampling import Generator, draw_rows
from stilts_utils.study.validation import StudyError
from stilts_utils.tasks import TASKS, task
from tests.own_plugins import TASK

pytest_plugins = ["tests.own_plugins"]


def given(plugged, name, **changes):
    """The task of the fixture under another name, since languages of a task are looked up once in a process."""
    code = TASK.replace('"shout"', f'"{name}"')
    for old, new in changes.values():
        assert old in code
        code = code.replace(old, new)
    plugged("my_task.py", code)
    return name


def test_rows_come_in_their_order_and_training_rows_as_the_seed_shuffles_them(plugged):
    name = given(plugged, "shout")
    assert sources.languages(name) == ("de", "en") and sources.splits(name) == ("train", "validation", "test")
    for language in ("en", "de"):
        rows = sources.load(name, language, "test", limit=None)
        assert rows["text_a"][:] == [f"test {i}" for i in range(24)] and rows["label"][:4] == [0, 1, 0, 1]
        assert rows["id"][:2] == ["0#0", "1#1"]
    one, same, other = (sources.load(name, "en", "train", seed=seed)["text_a"][:] for seed in (1, 1, 2))
    assert one == same != other and sorted(one) == sorted(other) == sorted(f"train {i}" for i in range(24))
    with pytest.raises(ValueError, match="language is 'de', allowed for shout"):
        sources.load(name, "de", "train")


def test_rows_of_a_retrieval_task_are_its_queries_and_candidates(plugged):
    old = TASK[TASK.index('shape="pair"') : TASK.index("\n)")]
    new = 'shape="retrieval", category="retrieval", metric="accuracy", roles=("target",), asks="?"'
    name = given(plugged, "own_retrieval", entry=(old, new), rows=("text_a", "query"), more=("text_b", "text"))
    assert embedded.splits(name) == ("test",) and sources.languages(name) == ("de", "en")
    rows, found = sources.load(name, "de", "test", limit=3), sources.candidates(name, "de", limit=3)
    assert rows["right"][:] == [["0"], ["1"], ["2"]] and found["text"][1] == "de !"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("few", ("range(24", "range(7"), "task few: number of train rows in en is 7, allowed: 20 or more"),
        ("bare", ('"text_b"', '"text_c"'), "columns of .* rows in .* is .*'text_c'.*, allowed: label, text_a, text_b"),
        (
            "twice",
            ('f"{split} {i}"', 'f"{i}"'),
            "task twice: training row is .*, allowed: rows that are in no other split",
        ),
        ("odd", ('("no", "yes")[i % 2]', "7"), "generated rows of odd, en, train, row 0: label is 7"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(plugged, name, change, said):
    given(plugged, name, change=change)
    with pytest.raises((StudyError, ValueError), match=said):
        sources.load(name, "en", "train")
    assert TASKS[name].sources == ("embedded",)


@drawn(strategies.integers(20, 60), strategies.integers(0, 9), strategies.none() | strategies.integers(1, 70))
def test_every_row_is_drawn_once_and_the_first_ones_do_not_depend_on_the_limit(count, seed, limit):
    rows = Given(
        task("temprel"),
        lambda language, split: [{"text_a": f"{split} {i}", "text_b": "", "label": 0} for i in range(count)],
    )
    for split in ("train", "test"):
        every, some = (draw_rows(Generator(rows.draw), "own", "en", split, seed, most) for most in (None, limit))
        assert sorted(row["id"].partition("#")[0] for row in every) == sorted(map(str, range(count)))
        assert some == every[:limit]
