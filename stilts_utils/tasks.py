"""The registry of tasks: one entry each, and the columns every source gives for a task's shape."""

from dataclasses import dataclass

SHAPES = ("pair", "choice", "tagging", "span", "retrieval")
CATEGORIES = ("classification", "structured prediction", "question answering", "retrieval")
ROLES = ("intermediate", "target")


@dataclass(frozen=True)
class Task:
    """One task. `labels` are class names (pair) or tag names with O first (tagging), else empty."""

    name: str
    shape: str
    category: str
    metric: str
    roles: tuple[str, ...]
    stands_in_for: tuple[str, ...]
    asks: str
    labels: tuple[str, ...] = ()

    def __post_init__(self):
        for field, value, allowed in (
            ("shape", self.shape, SHAPES),
            ("category", self.category, CATEGORIES),
            *(("roles", role, ROLES) for role in self.roles),
        ):
            if value not in allowed:
                raise ValueError(f"task {self.name}: {field} is {value!r}, allowed: {', '.join(allowed)}")
        if bool(self.labels) != (self.shape in ("pair", "tagging")):
            raise ValueError(f"task {self.name}: labels belong to the shapes pair and tagging, not {self.shape}")

    @property
    def trainable(self) -> bool:
        """Whether the task has training rows: retrieval tasks have none."""
        return self.shape != "retrieval"

    @property
    def features(self) -> "datasets.Features":  # noqa: F821 - imported on use: the graph needs names only
        """Columns of the task's rows, the same from every source."""
        from datasets import ClassLabel, Features, List, Value

        if self.shape == "pair":
            columns = {"text_a": Value("string"), "text_b": Value("string"), "label": ClassLabel(names=self.labels)}
        elif self.shape == "choice":
            columns = {"question": Value("string"), "choices": List(Value("string")), "label": Value("int64")}
        elif self.shape == "tagging":
            columns = {"tokens": List(Value("string")), "tags": List(ClassLabel(names=self.labels))}
        elif self.shape == "span":  # no answer: both lists empty, as in SQuAD v2.0
            answers = {"text": List(Value("string")), "answer_start": List(Value("int64"))}
            columns = {"context": Value("string"), "question": Value("string"), "answers": answers}
        else:  # a row's right answer is `target`; the candidates are the distinct targets of the split
            columns = {"query": Value("string"), "target": Value("string"), "target_id": Value("string")}
        return Features({"id": Value("string"), **columns})


def _bio(*kinds: str) -> tuple[str, ...]:
    return ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))


TASKS = {
    task.name: task
    for task in (
        Task(
            "temprel",
            shape="pair",
            category="classification",
            metric="accuracy",
            roles=("intermediate",),
            stands_in_for=("MNLI",),
            asks="is one relative time earlier than, the same as, or later than another?",
            labels=("earlier", "same", "later"),
        ),
        Task(
            "nli_num",
            shape="pair",
            category="classification",
            metric="accuracy",
            roles=("intermediate", "target"),
            stands_in_for=("XNLI", "MNLI", "ANLI"),
            asks="does one bound on a number entail, contradict or leave open another?",
            labels=("entailment", "neutral", "contradiction"),
        ),
        Task(
            "paws_easy",
            shape="pair",
            category="classification",
            metric="accuracy",
            roles=("intermediate", "target"),
            stands_in_for=("QQP",),
            asks="are two dates in different styles the same date?",
            labels=("different", "same"),
        ),
        Task(
            "mc_facts",
            shape="choice",
            category="classification",
            metric="accuracy",
            roles=("intermediate", "target"),
            stands_in_for=("CommonsenseQA", "XCOPA"),
            asks="which currency or language belongs to a territory?",
        ),
        Task(
            "dtag",
            shape="tagging",
            category="structured prediction",
            metric="f1",
            roles=("intermediate", "target"),
            stands_in_for=("UDPOS", "CCG"),
            asks="which role has every token of a date with a quantity?",
            labels=_bio("WDAY", "DAY", "MONTH", "YEAR", "NUM", "UNIT"),
        ),
        Task(
            "ner_slots",
            shape="tagging",
            category="structured prediction",
            metric="f1",
            roles=("target",),
            stands_in_for=("WikiANN/PAN-X",),
            asks="which tokens name a person, place, date, language or currency?",
            labels=_bio("PER", "LOC", "DATE", "LANG", "CUR"),
        ),
        Task(
            "qa_log",
            shape="span",
            category="question answering",
            metric="qa_f1",
            roles=("intermediate", "target"),
            stands_in_for=("SQuAD v2.0", "XQuAD", "MLQA"),
            asks="which object had the named action done to it in a log?",
        ),
        Task(
            "qa_facts",
            shape="span",
            category="question answering",
            metric="qa_f1",
            roles=("intermediate",),
            stands_in_for=("SQuAD v1.1", "TyDiQA-GoldP"),
            asks="which person in a list comes from where the named currency or language is used?",
        ),
        Task(
            "qa_parts",
            shape="span",
            category="question answering",
            metric="qa_f1",
            roles=("intermediate", "target"),
            stands_in_for=("SQuAD v2.0", "XQuAD", "MLQA"),
            asks="how much of a unit, or which year, month or day, does a list of a date and quantities give?",
        ),
        Task(
            "retr_bitext",
            shape="retrieval",
            category="retrieval",
            metric="accuracy",
            roles=("target",),
            stands_in_for=("Tatoeba", "BUCC"),
            asks="which English message is the translation of this one?",
        ),
        Task(
            "retr_el",
            shape="retrieval",
            category="retrieval",
            metric="mrr20",
            roles=("target",),
            stands_in_for=("Mewsli-X",),
            asks="which English description is that of the territory mentioned here?",
        ),
    )
}


def task(name: str) -> Task:
    """Look a task up. Raises ValueError naming the tasks that exist."""
    if name not in TASKS:
        raise ValueError(f"task is {name!r}, allowed: {', '.join(TASKS)}")
    return TASKS[name]
