"""The registry of tasks: one entry each.

`entry` is what an entry says, `floor` from which score on a task counts as learned; `targets` are those of XTREME-R,
`intermediate` the nine English ones, `translated` their training sets in other languages, `embedded` the generated ones. No
torch, no data: the graph of runs needs names only.
"""

from stilts_utils.tasks.embedded import EMBEDDED
from stilts_utils.tasks.entry import CATEGORIES, POOLS, ROLES, SHAPES, TRAINING_LANGUAGE, HubRows, Task
from stilts_utils.tasks.floor import Floor
from stilts_utils.tasks.intermediate import INTERMEDIATE
from stilts_utils.tasks.targets import TARGETS
from stilts_utils.tasks.translated import translated

__all__ = [
    "CATEGORIES",
    "PARALLEL",
    "POOLS",
    "LANGUAGES",
    "ROLES",
    "SHAPES",
    "TAGGED",
    "TASKS",
    "TRAINING_LANGUAGE",
    "Floor",
    "HubRows",
    "Task",
    "counted",
    "task",
    "translated",
]

TASKS = {entry.name: entry for entry in (*EMBEDDED, *INTERMEDIATE, *TARGETS)}
# Every code that an entry knows; the generated tasks are in some of these.
LANGUAGES = tuple(sorted({language for entry in TASKS.values() for language in entry.languages}))

# Of which the tokens are counted: texts with their English translation, and words of languages that these do not cover.
PARALLEL = {"embedded": "retr_bitext", "mirror": "tatoeba", "hub": "tatoeba"}
TAGGED = {"embedded": None, "mirror": "panx", "hub": "panx"}


def counted(source: str) -> set[str]:
    """Tasks of a kind of source of which phase 1 counts tokens, whatever the targets are."""
    return {PARALLEL[source], TAGGED[source]} - {None}


def task(name: str) -> Task:
    """Look a task up. Raises ValueError naming the tasks that exist."""
    if name not in TASKS:
        raise ValueError(f"task is {name!r}, allowed: {', '.join(TASKS)}")
    return TASKS[name]
