import numpy as np
import pytest
import torch

from stilts_utils import evaluation, records
from stilts_utils.batches import collate, encode, encode_texts, inference_batches
from stilts_utils.evaluation import Evaluation, decisions, pooled_layers
from stilts_utils.heads import mean_pool
from stilts_utils.study import Recipe
from stilts_utils.tasks import task
from stilts_utils.training import Training, snapshot

RUN = {"intermediate": "temprel", "duration": 4, "seed": 1}


@pytest.fixture
def small_batches(monkeypatch):
    """Many batches, so that their order could be mixed up."""
    monkeypatch.setattr(evaluation, "inference_batches", lambda encoded: inference_batches(encoded, 100))


@pytest.fixture
def trained(tiny_encoder, tiny_rows, task_of):
    """`trained(shape)`: a model trained until its decisions differ from row to row."""

    def make(shape):
        rows = encode(task_of[shape], tiny_rows(shape, 24), tiny_encoder.tokenizer, 64)
        recipe = Recipe(encoder_lr=1e-3, head_lr=1e-2, batch_size=8)
        start = snapshot(tiny_encoder.trainable())
        return Training(tiny_encoder, task_of[shape], rows, recipe, 1, start, "fp32").run(60).model

    return make


@pytest.mark.parametrize("shape", ["pair", "choice", "tagging", "span"])
def test_decisions_come_in_the_order_of_the_rows(shape, trained, small_batches, tiny_encoder, tiny_rows, task_of):
    of, rows = task_of[shape], tiny_rows(shape, 12)
    model, tokenizer = trained(shape), tiny_encoder.tokenizer

    def decide(some):
        return decisions(model, of, some, encode(of, some, tokenizer, 64), tokenizer.pad_token_id)

    together = decide(rows)
    assert together == [decide([row])[0] for row in rows]
    assert together != together[::-1]


@pytest.mark.parametrize("shape", ["pair", "choice", "tagging", "span"])
def test_scores_of_a_model_fit_their_items_and_the_schemas(shape, trained, tiny_encoder, tiny_rows, task_of):
    rows = {"en": tiny_rows(shape, 12), "de": tiny_rows(shape, 5)}
    found = Evaluation(task_of[shape], rows, tiny_encoder, 64)
    tokenised = [encode(task_of[shape], some, tiny_encoder.tokenizer, 64) for some in rows.values()]
    assert found.tokens == sum(encoded.tokens for encoded in tokenised)
    scores, items = found.of_model(trained(shape), **RUN)
    records.check("scores", scores)
    records.check("items", items)
    assert set(scores["items"]) == {12, 5}
    assert set(scores.layer) == {2}
    assert task_of[shape].metric in set(scores.metric)
    sums = items.groupby(["language", "metric"])[["numerator", "denominator"]].sum()
    for row in scores.itertuples():
        numerator, denominator = sums.loc[(row.language, row.metric)]
        assert row.score == pytest.approx(100 * numerator / denominator)


def test_pooled_layers_are_the_pooled_states(small_batches, tiny_encoder):
    texts = ["one", "a longer text than that", "two words", "x"] * 5
    encoded = encode_texts(texts, tiny_encoder.tokenizer, 64)
    pooled = pooled_layers(tiny_encoder, encoded)
    assert pooled.shape == (3, 20, 32) and pooled.dtype == np.float32
    batch = collate(encoded, list(range(20)), 1)
    with torch.inference_mode():
        last = mean_pool(tiny_encoder.model(**batch).last_hidden_state, batch["attention_mask"])
        first = mean_pool(tiny_encoder.model.embeddings(batch["input_ids"]), batch["attention_mask"])
    np.testing.assert_allclose(pooled[2], last, atol=1e-5)
    np.testing.assert_allclose(pooled[0], first, atol=1e-5)


def retrieve(tiny_encoder, rows, name="retr_bitext"):
    return Evaluation(task(name), rows, tiny_encoder, 64).of_encoder(**RUN)


def test_queries_that_are_their_own_targets_are_all_found(tiny_encoder, tiny_rows):
    scores, items = retrieve(tiny_encoder, {"en": tiny_rows("retrieval", 14), "de": tiny_rows("retrieval", 6)})
    assert scores.score.tolist() == [100] * 6
    assert sorted(zip(scores.language, scores.layer, scores["items"], strict=True)) == [
        (language, layer, count) for language, count in (("de", 6), ("en", 14)) for layer in range(3)
    ]
    records.check("scores", scores)
    records.check("items", items)


@pytest.mark.parametrize(("name", "score"), [("retr_bitext", 0), ("retr_el", None)])
def test_targets_in_the_wrong_order_are_not_found(name, score, tiny_encoder, tiny_rows):
    rows = tiny_rows("retrieval", 14)
    queries = [row["query"] for row in rows]
    for row, query in zip(rows, queries[1:] + queries[:1], strict=True):
        row["query"] = query
    scores, items = retrieve(tiny_encoder, {"en": rows}, name)
    if score is not None:
        assert scores.score.tolist() == [score] * 3
    else:  # the right one is second at best
        assert scores.score.between(100 / 14, 50).all()
    assert scores.score.tolist() == pytest.approx((100 * items.groupby("layer").numerator.mean()).tolist())


def test_candidates_are_the_distinct_targets_of_a_language(tiny_encoder, tiny_rows):
    two = tiny_rows("retrieval", 2)
    shared = [{**two[0], "id": "again"}, two[1], {**two[0], "id": "once more"}]  # two candidates, three queries
    scores, items = retrieve(tiny_encoder, {"en": shared, "de": tiny_rows("retrieval", 8)})
    assert set(scores[scores.language == "en"].score) == {100}  # the right one is no rival of itself
    assert len(items) == 3 * (3 + 8)
