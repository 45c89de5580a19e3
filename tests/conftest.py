"""Fixtures that several test files share: the tiny random encoder and tiny rows of every shape."""

import os
import shutil

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models are tiny: more threads only wait for each other
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from datasets import Dataset
from hypothesis import settings

from stilts_utils import ROOT
from stilts_utils.tasks import task

settings.register_profile("suite", max_examples=50, deadline=None)  # a shared machine has no speed of its own
settings.load_profile("suite")
LETTERS = "abcdefgh"


def _pair(i: int) -> dict:
    return {"text_a": LETTERS[i % 3] * (4 + i % 7), "text_b": f"{i % 5} then", "label": i % 3}


def _choice(i: int) -> dict:
    choices = [f"{LETTERS[(i + j) % 8]} {j}" for j in range(4)]
    return {"question": f"which has {choices[i % 4][0]}", "choices": choices, "label": i % 4}


def _tagging(i: int) -> dict:
    names = task("dtag").labels
    tokens = [f"{i % 31}", "of", "May", f"{2000 + i}"][: 2 + i % 3]
    return {"tokens": tokens, "tags": [names.index(tag) for tag in ("B-DAY", "O", "B-MONTH", "B-YEAR")[: len(tokens)]]}


def _span(i: int) -> dict:
    name = f"page{LETTERS[i % 8]}"
    answers = {"text": [], "answer_start": []} if i % 3 == 2 else {"text": [name], "answer_start": [4]}
    return {"context": f"The {name} was changed.", "question": "changed what?", "answers": answers}


def _retrieval(i: int) -> dict:
    text = f"{LETTERS[i % 8] * (1 + i // 8)} message"
    return {"query": text, "right": [f"t{i}"]}


# Files that take half a minute or more come first: for the one that a worker begins last, the other waits. In the folder of
# the graph the worker of the first also gets the next file, `test_browser`; that of the second gets `test_reruns`.
LONG = [
    *("report/test_readme", "report/test_book", "timing/test_paired", "report/test_book_hostile"),
    *("report/test_chapters", "report/test_numbers", "report/test_figures", "benchmarks/test_engines"),
    *("analysis/test_controls", "analysis/test_latency", "graph/test_resume", "graph/test_smoke"),
]


def pytest_collection_modifyitems(items):
    def rank(item):
        name = item.nodeid.partition(".py::")[0].removeprefix("tests/")
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=rank)


ROWS = {"pair": _pair, "choice": _choice, "tagging": _tagging, "span": _span, "retrieval": _retrieval}
TASK_OF = {"pair": "temprel", "choice": "mc_facts", "tagging": "dtag", "span": "qa_parts", "retrieval": "retr_bitext"}


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Encoders made by tests go into a folder of their own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STILTS_CACHE", str(folder))
        yield folder


@pytest.fixture
def tiny_encoder(cache):
    """The random encoder, loaded afresh, since training overwrites it."""
    from stilts_utils.models import encoder
    from stilts_utils.study import settings

    return encoder.load(settings.EncoderSpec("random"), "eager")


@pytest.fixture(scope="session")
def tokenizer(cache):
    from stilts_utils.models import encoder
    from stilts_utils.study import settings

    return encoder.load(settings.EncoderSpec("random")).tokenizer


@pytest.fixture(scope="session")
def tiny_rows():
    """`tiny_rows(shape, count)`: rows with the columns of a shape, which can be learnt."""

    def make(shape: str, count: int) -> list[dict]:
        return [{"id": f"{shape}-{i}", **ROWS[shape](i)} for i in range(count)]

    return make


@pytest.fixture(scope="session")
def tiny_candidates(tiny_rows):
    """`tiny_candidates(count)`: the right candidates of as many retrieval rows, each with the text of its query."""

    def make(count: int) -> list[dict]:
        return [{"id": row["right"][0], "text": row["query"], "context": ""} for row in tiny_rows("retrieval", count)]

    return make


@pytest.fixture(scope="session")
def task_of():
    """Shape -> one task of that shape."""
    return {shape: task(name) for shape, name in TASK_OF.items()}


@pytest.fixture
def tiny_source(monkeypatch, tiny_rows):
    """Puts tiny rows in place of the source: every task in en, de and zh. Returns the list of calls."""
    from stilts_utils.data import sources

    calls = []

    def load(name, language, split, source, *, seed=0, limit=None, stage=0, missing="error"):
        calls.append((name, language, split, seed))
        rows = tiny_rows(task(name).shape, limit or 16)
        if split == "validation":  # which says something else than the other splits
            rows = [row | {key: f"{row[key]} now" for key in ("text_a", "question") if key in row} for row in rows]
        return Dataset.from_list(rows)

    def candidates(name, language, source, *, limit=None, split="test"):
        return [
            {"id": row["right"][0], "text": row["query"].upper(), "context": ""}
            for row in tiny_rows("retrieval", limit or 16)
        ]

    monkeypatch.setattr(sources, "load", load)
    monkeypatch.setattr(sources, "candidates", candidates)
    monkeypatch.setattr(sources, "languages", lambda *_: ("de", "en", "zh"))
    return calls


@pytest.fixture
def tiny_study(tmp_path, monkeypatch, tiny_source):
    """A study of tiny rows with the random encoder, whose files go into a temporary folder."""
    from stilts_utils.study import place, settings, study

    for module in (place, study):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return study.Study(
        name="tiny",
        title="tiny",
        encoder="random",
        languages=("en", "de", "zh"),
        missing="skip",
        intermediate={"temprel": settings.Arm()},
        durations=(0, 1, 2, 4),
        seeds=(1, 2),
        targets={name: settings.Fit((3,)) for name in ("mc_facts", "dtag", "qa_parts")}
        | {"retr_bitext": settings.Fit()},
        training=settings.Recipe(warmup_steps=1, batch_size=4, train_rows=40),
        items=8,
        inference=settings.Timing("mc_facts", languages=("en", "de"), replicates=2, seconds=0.05),
    )


@pytest.fixture
def code_copy(tmp_path):
    """A folder with a copy of code, notebooks and versions, which a test may change; what was read of code is forgotten."""
    from stilts_utils.tables import digests

    copy = tmp_path / "checkout"
    for name in ("stilts_utils", "notebooks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "constraints.txt", copy)
    digests.forget()
    yield copy
    digests.forget()


@pytest.fixture
def tiny_place(tiny_study):
    """The place of a run of the tiny study."""
    from stilts_utils.study.place import Place

    return Place("3_target", {}, tiny_study.folder / "3_target" / "test", (tiny_study.folder / "checkpoints",))
