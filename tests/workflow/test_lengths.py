import pytest

from stilts_utils.tasks import TASKS
from stilts_utils.workflow import lengths
from stilts_utils.workflow.lengths import Texts


def test_a_task_is_known_by_what_it_needs():
    for name, entry in TASKS.items():
        texts = lengths.of(name)
        assert texts.trained > 0 or not entry.trainable, name
        assert texts.evaluated > 0 or "target" not in entry.roles, name
        assert texts.sequences >= 1, name


def test_the_tables_name_tasks_of_the_registry():
    assert set(lengths.TEXTS) | set(lengths.ROWS) | set(lengths.ALONE) <= set(TASKS)


def test_another_task_is_taken_to_be_like_those_of_its_shape(monkeypatch):
    monkeypatch.setattr(lengths, "TEXTS", {"xquad": Texts(1, 200, 220), "squad": Texts(1, 100), "xnli": Texts(1, 1, 1)})
    assert lengths.of("mlqa") == Texts(1, 150, 220)  # squad is not evaluated


def test_candidates_without_their_context_are_shorter():
    assert lengths.of("lareqa", context=False).evaluated < lengths.of("lareqa").evaluated
    assert lengths.of("tatoeba", context=False) == lengths.of("tatoeba")


@pytest.mark.parametrize(("wanted", "given"), [(100, 100), (1190, 1190), (100_000, 1190)])
def test_no_more_rows_than_there_are(wanted, given):
    assert lengths.rows("xquad", wanted) == given
    assert lengths.rows("mc_facts", wanted) == wanted
