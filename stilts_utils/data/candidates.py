"""Retrieval on hub data sets: queries, and the pool of candidates that holds their right ones.

The columns of the set say which candidates of a query are right (`tasks.entry.COLUMNS`):

- `text`: the candidate of the same row, whose id is the row's;
- `right`: the candidate of this id in the set `Task.candidates`;
- `context` and `answers`: in every language, the sentence in which the answer begins (LAReQA). Candidates are all
  sentences of all paragraphs, with their paragraph; their ids are `<language>/<paragraph>/<sentence>`, counted from 0 in
  the order of the set. A query's `right` names those of all languages that the source has, whichever are evaluated.
"""

import re
from collections.abc import Callable, Sequence

from datasets import Dataset

from stilts_utils.data import row_checks
from stilts_utils.data.columns import as_id, candidate_set, dataset, ids, origin, own_ids, values
from stilts_utils.data.row_checks import Origin
from stilts_utils.tasks import HubRows, Task

BREAKS = "sentence_breaks"  # (start, end) of every sentence, if a set has this column
# Otherwise a sentence ends with its punctuation, which may be followed by closing quotes and brackets, and whitespace
# unless the script writes none; a line ends one too. Thai, which ends sentences with a space only, is not split there.
SENTENCE = re.compile(r"[^\n]+?(?:[.!?؟۔।…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”’）]*|(?=\n)|$)")

Read = Callable[[str], tuple[HubRows, Dataset]]  # language -> its set


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) character offsets of the sentences of a text, without the space around them, by a simple rule."""
    spans = []
    for match in SENTENCE.finditer(text):
        stripped = match[0].strip()
        if stripped:
            start = match.start() + match[0].index(stripped)
            spans.append((start, start + len(stripped)))
    return spans


def _paragraphs(rows: HubRows, table: Dataset) -> dict[str, list[tuple[int, int]]]:
    """Every paragraph of a set, once, and the spans of its sentences. Raises ValueError for a span that is not in it."""
    contexts, where = values(rows.columns["context"], table), Origin(str(rows), fields=rows.columns)
    row_checks.texts("context", contexts, where)
    if BREAKS not in table.column_names:
        return {text: sentence_spans(text) for text in dict.fromkeys(contexts)}
    paragraphs = {}
    for row, (text, spans) in enumerate(zip(contexts, table[BREAKS][:], strict=True)):
        if text not in paragraphs:
            if not spans or not all(0 <= start < end <= len(text) for start, end in spans):
                where.refuse(row, BREAKS, spans, f"[start, end] of every sentence, from 0 to {len(text)}")
            paragraphs[text] = [tuple(span) for span in spans]
    return paragraphs


def _answer_sentences(language: str, rows: HubRows, table: Dataset) -> dict[str, str]:
    """Query id -> id of the sentence in which its first answer begins. Raises ValueError as `row_checks.answers` does."""
    paragraphs = _paragraphs(rows, table)
    number = {text: i for i, text in enumerate(paragraphs)}
    sentence_of = {}
    contexts, given = (values(rows.columns[name], table) for name in ("context", "answers"))
    answers = row_checks.answers(contexts, given, Origin(str(rows), fields=rows.columns))
    for row_id, text, answer in zip(own_ids(rows, table), contexts, answers, strict=True):
        begins = answer["answer_start"][0]
        sentence = max(i for i, (start, _) in enumerate(paragraphs[text]) if i == 0 or start <= begins)
        sentence_of[row_id] = f"{language}/{number[text]}/{sentence}"
    return sentence_of


def queries(task: Task, language: str, picked: Sequence[int], read: Read, languages: Sequence[str]) -> Dataset:
    """Queries of the picked rows, with the columns of `columns.features`.

    `languages` are all those whose candidates may be right, which matters for sentences only.
    """
    rows, table = read(language)
    set_ids = ids(rows, table)
    row_ids = [set_ids[i] for i in picked]
    chosen = table.select(picked)
    if "right" in rows.columns:
        right = [[as_id(value)] for value in values(rows.columns["right"], chosen)]
    elif "text" in rows.columns:
        right = [[row_id] for row_id in row_ids]
    else:
        by_language = [_answer_sentences(each, *read(each)) for each in languages]
        right = [[sentences[row_id] for sentences in by_language if row_id in sentences] for row_id in row_ids]
    columns = {"id": row_ids, "query": values(rows.columns["query"], chosen), "right": right}
    return dataset(task, columns, origin(task, rows, table, picked))


def candidates(task: Task, language: str, picked: Sequence[int], everything: bool, read: Read) -> Dataset:
    """Candidates with the columns of `columns.CANDIDATE_FEATURES`: all of them, or those that belong to the picked rows."""
    rows, table = read(language)
    chosen, where = table.select(picked), origin(task, rows, table, picked)
    contexts = None
    if "right" in rows.columns:
        pool_rows, pool = read("")
        number = {each: i for i, each in enumerate(own_ids(pool_rows, pool))}
        right = [as_id(value) for value in values(rows.columns["right"], chosen)]
        for row, each in enumerate(right):
            if each not in number:
                where.refuse(row, "right", each, f"the id of one of the candidates, {pool_rows}")
        if not everything:
            number = {each: number[each] for each in dict.fromkeys(right)}
        where = origin(task, pool_rows, pool, list(number.values()))
        candidate_ids, texts = list(number), values(pool_rows.columns["text"], pool.select(list(number.values())))
    elif "text" in rows.columns:
        all_ids = ids(rows, table)
        candidate_ids, texts = [all_ids[i] for i in picked], values(rows.columns["text"], chosen)
    else:
        chosen_texts = set(values(rows.columns["context"], chosen))
        spans = [
            (f"{language}/{number}/{i}", text[start:end], text)
            for number, (text, sentences) in enumerate(_paragraphs(rows, table).items())
            if text in chosen_texts
            for i, (start, end) in enumerate(sentences)
        ]
        candidate_ids, texts, contexts = (list(column) for column in zip(*spans, strict=True))
        where = Origin(f"sentences of {rows}")
    columns = {"id": candidate_ids, "text": texts, "context": contexts or [""] * len(texts)}
    return candidate_set(columns, where)
