"""Every data set of the study has a generated task that can take its part where it cannot be read."""

from stilts_utils.tasks import TASKS
from stilts_utils.tasks.embedded import EMBEDDED
from stilts_utils.tasks.intermediate import INTERMEDIATE
from stilts_utils.tasks.targets import TARGETS


def test_every_data_set_has_a_stand_in_of_its_shape_and_role():
    for role, entries in (("intermediate", INTERMEDIATE), ("target", TARGETS)):
        for entry in entries:
            stand_ins = [task for task in EMBEDDED if entry.name in task.stands_in_for and role in task.roles]
            assert stand_ins, f"{entry.name} has no stand-in as {role}"
            assert {(task.shape, task.category) for task in stand_ins} == {(entry.shape, entry.category)}


def test_stand_ins_name_registered_data_sets():
    named = {name for task in EMBEDDED for name in task.stands_in_for}
    assert named == {task.name for task in (*INTERMEDIATE, *TARGETS)}
    assert all(task.stands_in_for for task in EMBEDDED) and {task.name for task in EMBEDDED} <= set(TASKS)
