"""An entry of the registry, and the columns that every source gives for a task's shape."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stilts_utils.tasks.floor import Floor

SHAPES = ("pair", "choice", "tagging", "span", "retrieval")
CATEGORIES = ("classification", "structured prediction", "question answering", "retrieval")
ROLES = ("intermediate", "target")
POOLS = ("language", "all")
FLAWS = {"unlabelled": "label", "misplaced": "answers"}  # of rows that are left out, and the column that shows it
# Of a study, an arm or a task: they become names of files, parts of links and of commands.
NAME, NAME_ALLOWED = r"[a-z0-9_-]+", "small letters, digits, - and _"
TRAINING_LANGUAGE = "en"  # of every set whose config does not ask for a language

# Our columns that a hub data set gives, by shape, in addition to `id`: without one, a row's number is its id.
COLUMNS = {
    "pair": ({"text_a", "text_b", "label"},),
    "choice": ({"question", "choices", "label"},),
    "tagging": ({"tokens", "tags"},),
    "span": ({"context", "question", "answers"},),
    "retrieval": (
        {"query", "text"},  # the row holds its right candidate
        {"query", "right"},  # the row names it by its id in `Task.candidates`
        {"query", "context", "answers"},  # the candidates are the sentences of the contexts
    ),
}


@dataclass(frozen=True)
class HubRows:
    """Rows of one hub data set, and how its columns become the columns of the task's shape.

    `{language}` in `config` and `only` stands for the hub's own code of the language (`Task.languages`). A column of
    ours comes from a hub column ("answers", or "choices.text" for a field of one), from a template of hub columns
    ("{premise} What was the {question}?"), or from several of these in a tuple (choices). `classes` are the raw label
    values in the order of our class indices, () if the hub's labels are indices already. `only` keeps the rows
    whose id begins with it. `flaws` says which unusable rows the set is known to hold; they are left out and counted, others
    are refused: `unlabelled` (-1, empty or null), `misplaced` (an answer is not where it is said to be).
    """

    hub: str
    config: str
    split: str
    columns: Mapping[str, str | tuple[str, ...]] = field(hash=False)
    classes: tuple = ()
    only: str = ""
    flaws: tuple[str, ...] = ()

    def __post_init__(self):
        for flaw in self.flaws:
            if FLAWS.get(flaw) not in self.columns:
                allowed = ", ".join(flaw for flaw, column in FLAWS.items() if column in self.columns) or "none"
                raise ValueError(f"{self}: flaws holds {flaw!r}, allowed with its columns: {allowed}")

    @property
    def multilingual(self) -> bool:
        """Whether the rows of a language are to be had, or English ones only."""
        return "{language}" in self.config + self.only

    def of(self, code: str) -> "HubRows":
        """The rows of a language, by the hub's code for it."""
        return replace(self, config=self.config.replace("{language}", code), only=self.only.replace("{language}", code))

    def __str__(self) -> str:
        rows = f"{self.hub} {self.config} {self.split}"
        return f"{rows}, ids {self.only}..." if self.only else rows


@dataclass(frozen=True)
class Task:
    """One task. `labels` are class names (pair) or tag names, O first if there is one (tagging), otherwise empty.

    A generated task has no `languages`: its source knows them. The others name hub data sets: `train` holds training
    stages that run one after another, each of one or more sets that are joined; `test` the rows of the official
    evaluation, whatever the hub calls their split; `english_test` the English ones if another set has them;
    `validation` held-out rows, at least English ones; `candidates` the texts to retrieve, if they are a set of their own.
    `parallel`: the evaluation rows of one id are translations of each other, with one label.
    `languages` gives the hub's code for each of our codes, and `not_on_hub` the codes that the hub's set does not have.
    `floor`: from which English score on it counts as learned; retrieval, on which nothing is trained, has none.
    """

    name: str
    shape: str
    category: str
    metric: str
    roles: tuple[str, ...]
    asks: str
    stands_in_for: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # metrics reported in addition to the official one
    unanswerable: bool = False  # span: whether a question may have no answer
    train: tuple[tuple[HubRows, ...], ...] = ()
    test: HubRows | None = None
    english_test: HubRows | None = None
    validation: HubRows | None = None
    candidates: HubRows | None = None
    languages: Mapping[str, str] = field(default_factory=dict, hash=False)
    not_on_hub: tuple[str, ...] = ()
    max_length: int | None = None  # tokens, official
    licence: str = ""
    folder_only: bool = False  # on no hub: read from a folder that the user names
    pool: str = "language"  # retrieval: whether a query meets the candidates of its language or of all languages
    parallel: bool = False
    differs: str = ""  # a sentence: how what is scored differs from the official evaluation
    floor: Floor | None = None

    def __post_init__(self):
        labelled = self.shape in ("pair", "tagging")
        brings_labels = labelled and self.folder_only  # its folder holds them
        for name, value, holds, allowed in (
            ("name", self.name, re.fullmatch(NAME, self.name), NAME_ALLOWED),
            ("shape", self.shape, self.shape in SHAPES, ", ".join(SHAPES)),
            ("category", self.category, self.category in CATEGORIES, ", ".join(CATEGORIES)),
            ("pool", self.pool, self.pool in POOLS, ", ".join(POOLS)),
            *(("roles", role, role in ROLES, ", ".join(ROLES)) for role in self.roles),
            ("labels", self.labels, bool(self.labels) == labelled or brings_labels, "names with pair and tagging only"),
            ("unanswerable", self.unanswerable, not self.unanswerable or self.shape == "span", "True with span only"),
            (
                "max_length",
                self.max_length,
                self.max_length is None or self.max_length > 0,
                "1 or more tokens, or None",
            ),
            ("floor", self.floor, bool(self.floor) == self.trainable, "a Floor, and None with retrieval only"),
            ("languages", self.languages, bool(self.languages) == bool(self.sets), "codes with hub data sets only"),
            ("not_on_hub", self.not_on_hub, set(self.not_on_hub) <= set(self.languages), "some of its languages"),
        ):
            if not holds:
                raise ValueError(f"task {self.name}: {name} is {value!r}, allowed: {allowed}")
        for rows in self.sets:
            allowed = ({"id", "text"},) if rows is self.candidates else COLUMNS[self.shape]
            if not any(set(rows.columns) | {"id"} == each | {"id"} for each in allowed):
                options = "; or ".join(", ".join(sorted(each)) for each in allowed)
                given = ", ".join(rows.columns)
                raise ValueError(f"task {self.name}: columns of {rows} are {given}, allowed: {options}")

    @property
    def sets(self) -> tuple[HubRows, ...]:
        """Every hub data set that the task reads."""
        single = (self.validation, self.test, self.english_test, self.candidates)
        return (*(rows for stage in self.train for rows in stage), *(rows for rows in single if rows))

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that have the task."""
        return ("hub", "mirror") if self.sets else ("embedded",)

    @property
    def trainable(self) -> bool:
        """Whether the task has training rows: retrieval tasks have none."""
        return self.shape != "retrieval"

    @property
    def stages(self) -> int:
        """How many training stages run one after another."""
        return len(self.train) or int(self.trainable)

    def metric_among(self, known: set[str]) -> str:
        """The official metric if results have it, otherwise the first of those beside it that they have: stored ones may be
        older than the choice of the official one.
        """
        return next((metric for metric in self.metrics if metric in known), self.metric)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of every metric that is reported, the official one first."""
        return (self.metric, *self.also)


def bio(*kinds: str) -> tuple[str, ...]:
    """Tag names of spans of these kinds: O, then B- and I- of each."""
    return ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))
