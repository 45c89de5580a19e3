"""Every official data set has a generated task that can take its part where it cannot be read."""

import pytest

from stilts_utils.tasks import TASKS
from stilts_utils.tasks.embedded import EMBEDDED
from tests.tasks.test_tasks import LANGUAGES, NINE


@pytest.mark.parametrize("name", [*NINE, *LANGUAGES])
def test_an_official_data_set_has_a_stand_in(name):
    assert any(name in task.stands_in_for for task in EMBEDDED)


@pytest.mark.parametrize("task", EMBEDDED, ids=lambda task: task.name)
def test_a_generated_task_stands_in_for_data_sets_of_its_shape_and_role(task):
    assert task.stands_in_for and TASKS[task.name] is task
    for entry in (TASKS[name] for name in task.stands_in_for):
        assert (task.shape, task.category) == (entry.shape, entry.category)
        assert set(task.roles) & set(entry.roles)
