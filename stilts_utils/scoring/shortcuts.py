"""Shortcut baselines: scores that need no understanding, reported with every score.

To add one, write a class with `fit(task, rows)` on English training rows and `decide(task, rows)`, and enter it in
BASELINES under the shapes it fits. Its decisions are those that `metrics.score` takes for the shape.
"""

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from datasets import Dataset
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from stilts_utils.scoring.metrics import chance, ratio, score
from stilts_utils.scoring.retrieval import pool, retrieval_items
from stilts_utils.scoring.tagging import tag_names
from stilts_utils.tasks import Task
from stilts_utils.tasks import task as task_of

COLUMNS = ("language", "baseline", "metric", "score", "items")
MOST_ROWS = 2000  # English training rows that a baseline is fitted on
MOST_FEATURES = 4096
SENTENCE_END = re.compile(r"(?<=[.!?。！？।۔])\s*|\s*[,،、;]\s*")  # in lists, commas part the items
WORD = re.compile(r"[^\s.,;:!?()\[\]\"'“”„«»‘’、。，！？；：（）「」؟،।۔]+")


def _bigrams(text: str) -> set[str]:
    padded = f" {text.lower()} "
    return {padded[i : i + 2] for i in range(len(padded) - 1)}


def _overlap(a: str, b: str) -> float:
    """Dice overlap of the character bigrams of two texts, in 0..1."""
    grams_a, grams_b = _bigrams(a), _bigrams(b)
    return 2 * len(grams_a & grams_b) / (len(grams_a) + len(grams_b))


def _texts(rows: list[dict]) -> list[tuple[str, str]]:
    """The two texts of every pair, or the question and the choice of every choice of every row."""
    if "text_a" in rows[0]:
        return [(row["text_a"], row["text_b"]) for row in rows]
    return [(row["question"], choice) for row in rows for choice in row["choices"]]


def _best_choices(values: np.ndarray, rows: list[dict]) -> list[int]:
    """The choice of the highest value for every row; `values` run over the choices of all rows."""
    ends = np.cumsum([len(row["choices"]) for row in rows])[:-1]
    return [int(np.argmax(part)) for part in np.split(values, ends)]


class Majority:
    """The most frequent label, position or tag of the training rows; "no answer" for spans."""

    def fit(self, task: Task, rows: list[dict]) -> None:
        if task.shape == "tagging":
            self.value = Counter(tag for row in rows for tag in tag_names(task, row)).most_common(1)[0][0]
        else:
            self.value = "" if task.shape == "span" else Counter(row["label"] for row in rows).most_common(1)[0][0]

    def decide(self, task: Task, rows: list[dict]) -> list:
        return [[self.value] * len(row["tokens"]) if task.shape == "tagging" else self.value for row in rows]


class CharacterNgrams:
    """Logistic regression on character n-grams of the two texts; the choice with the highest value."""

    def fit(self, task: Task, rows: list[dict]) -> None:
        pairs, labels = _texts(rows), [row["label"] for row in rows]
        if task.shape == "choice":
            labels = [int(choice == row["label"]) for row in rows for choice in range(len(row["choices"]))]
        self.vectorizers = [
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), max_features=MOST_FEATURES).fit(texts)
            for texts in zip(*pairs, strict=True)
        ]
        self.model = LogisticRegression(max_iter=200, C=10).fit(self._features(pairs), labels)

    def _features(self, pairs: list[tuple[str, str]]):
        sides = zip(*pairs, strict=True)
        return hstack([v.transform(texts) for v, texts in zip(self.vectorizers, sides, strict=True)]).tocsr()

    def decide(self, task: Task, rows: list[dict]) -> list[int]:
        features = self._features(_texts(rows))
        if task.shape == "pair":
            return self.model.predict(features).tolist()
        return _best_choices(self.model.decision_function(features), rows)


class Overlap:
    """Decisions by the overlap of characters, which is computed in the same way in every language.

    Pairs: thresholds on the overlap. Choices: the one that overlaps most with the question. Spans: in the sentence that
    overlaps most with the question, the longest run of words that occur nowhere else.
    """

    def fit(self, task: Task, rows: list[dict]) -> None:
        if task.shape == "pair":
            self.model = DecisionTreeClassifier(max_depth=2, random_state=0)
            self.model.fit([[_overlap(*pair)] for pair in _texts(rows)], [row["label"] for row in rows])

    def decide(self, task: Task, rows: list[dict]) -> list:
        if task.shape == "pair":
            return self.model.predict([[_overlap(*pair)] for pair in _texts(rows)]).tolist()
        if task.shape == "choice":
            return _best_choices(np.array([_overlap(*pair) for pair in _texts(rows)]), rows)
        return [_rare_span(row["context"], row["question"]) for row in rows]


def _rare_span(context: str, question: str) -> str:
    sentences = [sentence for sentence in SENTENCE_END.split(context) if sentence]
    sentence = max(sentences, key=lambda text: _overlap(text, question))
    times = Counter(WORD.findall(f"{context} {question}"))
    runs, run = [], None
    for match in WORD.finditer(sentence):
        if times[match[0]] > 1:
            run = None
            continue
        run = (run[0] if run else match.start(), match.end())
        runs.append(run)
    start, end = max(runs, key=lambda run: run[1] - run[0], default=(0, len(sentence)))
    return sentence[start:end]


class TokenTags:
    """The tag a token most often has in the training rows; for an unknown token O, or the commonest tag."""

    def fit(self, task: Task, rows: list[dict]) -> None:
        seen: dict[str, Counter] = {}
        for row in rows:
            for token, tag in zip(row["tokens"], tag_names(task, row), strict=True):
                seen.setdefault(token, Counter())[tag] += 1
        self.tags = {token: tags.most_common(1)[0][0] for token, tags in seen.items()}
        self.other = "O" if "O" in task.labels else sum(seen.values(), Counter()).most_common(1)[0][0]

    def decide(self, task: Task, rows: list[dict]) -> list[list[str]]:
        return [[self.tags.get(token, self.other) for token in row["tokens"]] for row in rows]


BASELINES = {
    "pair": {"majority": Majority, "character n-grams": CharacterNgrams, "overlap": Overlap},
    "choice": {"majority": Majority, "character n-grams": CharacterNgrams, "overlap": Overlap},
    "tagging": {"majority": Majority, "token": TokenTags},
    "span": {"majority": Majority, "overlap": Overlap},
}


def _retrieval_scores(task: Task, rows: list[dict], candidates: list[dict]) -> dict[str, float]:
    texts = [row["text"] for row in candidates]
    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), max_features=MOST_FEATURES, dtype=np.float32
    ).fit(texts)
    queries, targets = (vectorizer.transform(t).toarray() for t in ([row["query"] for row in rows], texts))
    items = retrieval_items(task, rows, candidates, queries, targets)
    return {
        "chance": chance(task, rows, candidates),
        "character n-grams": ratio(items[items["metric"] == task.metric]),
    }


def shortcut_scores(
    task: str, train: Dataset | None, tests: Mapping[str, Dataset], candidates: Mapping[str, Dataset] | None = None
) -> pd.DataFrame:
    """Scores of the shortcut baselines of a task, the trivial one (majority or chance) first.

    `train` holds English training rows, of which the first MOST_ROWS are used; each baseline is fitted once. Retrieval
    has nothing to fit: pass None, and its `candidates` by language. `tests` holds evaluation rows by language. Returns
    one row per language and baseline: language, baseline, metric (the task's), score (0-100), items.

    Raises ValueError for an unknown task, or if its training rows or candidates are missing.
    """
    about = task_of(task)
    if about.trainable and train is None:
        raise ValueError(f"train is None, allowed for {task}: its English training rows; load them with sources.load")
    if not about.trainable and candidates is None:
        raise ValueError(f"candidates is None, allowed for {task}: a mapping by language; load with sources.candidates")
    records = []
    rows_of = {language: rows.to_list() for language, rows in tests.items()}
    candidates_of = {language: rows.to_list() for language, rows in (candidates or {}).items()}
    if about.trainable:
        training_rows = train.select(range(min(MOST_ROWS, len(train)))).to_list()
        fitted = {name: baseline() for name, baseline in BASELINES[about.shape].items()}
        for baseline in fitted.values():
            baseline.fit(about, training_rows)
    for language, rows in rows_of.items():
        if about.trainable:
            scores = {
                name: score(about, rows, baseline.decide(about, rows), language)[about.metric]
                for name, baseline in fitted.items()
            }
        else:
            scores = _retrieval_scores(about, rows, pool(about, candidates_of, language))
        records += [(language, name, about.metric, value, len(rows)) for name, value in scores.items()]
    return pd.DataFrame(records, columns=COLUMNS)
