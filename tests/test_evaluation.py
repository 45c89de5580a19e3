import dataclasses

import numpy as np
import pytest
import torch

from stilts_utils import evaluation, records
from stilts_utils.batches import collate, encode, encode_texts, inference_batches
from stilts_utils.evaluation import CUT_WORDS, Evaluation, decisions, pooled_layers
from stilts_utils.heads import TaskModel, mean_pool
from stilts_utils.recipes import Recipe
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
        return Training(tiny_encoder, [(task_of[shape], rows)], recipe, 1, start, "fp32").run(60).model

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
    assert (CUT_WORDS in set(scores.metric)) == (shape == "tagging")
    scores = scores[scores.metric != CUT_WORDS]
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


@pytest.mark.parametrize("before", ["eager", "sdpa"])
def test_attention_is_sdpa_in_evaluation_alone(before, tiny_encoder, tiny_rows, task_of, monkeypatch):
    model, seen = tiny_encoder.model, []
    model.set_attn_implementation(before)
    forward = model.forward

    def watched(*args, **kwargs):
        seen.append(model.config._attn_implementation)
        return forward(*args, **kwargs)

    monkeypatch.setattr(model, "forward", watched)
    rows = tiny_rows("pair", 4)
    encoded = encode(task_of["pair"], rows, tiny_encoder.tokenizer, 64)
    decisions(TaskModel(model, task_of["pair"], 0).eval(), task_of["pair"], rows, encoded, 1)
    pooled_layers(tiny_encoder, encoded)
    assert set(seen) == {"sdpa"} and model.config._attn_implementation == before

    monkeypatch.setattr(model, "forward", lambda **inputs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pooled_layers(tiny_encoder, encoded)
    assert model.config._attn_implementation == before


def test_words_without_a_token_are_counted(tiny_encoder, task_of):
    short = {"id": "1", "tokens": ["a", "b"], "tags": [0, 0]}
    rows = {"en": [short, {"id": "2", "tokens": ["a", "", ""] * 6, "tags": [0] * 18}], "de": [short]}
    found = Evaluation(task_of["tagging"], rows, tiny_encoder, 8)
    model = TaskModel(tiny_encoder.model, task_of["tagging"], 0).eval()
    scores, items = found.of_model(model, **RUN)
    records.check("scores", scores)
    cut = scores[scores.metric == CUT_WORDS].set_index("language").score
    assert cut.to_dict() == {"en": 100 * 12 / 20, "de": 0}  # none of them is beyond the length limit
    assert CUT_WORDS not in set(items.metric)


def test_contexts_that_do_not_fit_are_answered_from_all_their_windows(trained, tiny_encoder, tiny_rows, task_of):
    rows = [
        row | {"context": f"{'long ago. ' * (i % 4)}{row['context']}", "answers": {"text": ["x"], "answer_start": [0]}}
        for i, row in enumerate(tiny_rows("span", 12))
    ]
    found = Evaluation(task_of["span"], {"en": rows}, tiny_encoder, 48, stride=12)
    assert found.tokens > encode(task_of["span"], rows, tiny_encoder.tokenizer, 128).tokens
    scores, _ = found.of_model(trained("span"), **RUN)
    assert set(scores.metric) == {"qa_f1", "exact_match"}


def retrieve(tiny_encoder, rows, candidates, name="retr_bitext", **changes):
    entry = dataclasses.replace(task(name), **changes)
    return Evaluation(entry, rows, tiny_encoder, 64, candidates=candidates).of_encoder(**RUN)


def test_queries_that_are_their_own_candidates_are_all_found(tiny_encoder, tiny_rows, tiny_candidates):
    rows = {"en": tiny_rows("retrieval", 14), "de": tiny_rows("retrieval", 6)}
    scores, items = retrieve(tiny_encoder, rows, {"en": tiny_candidates(14), "de": tiny_candidates(6)[::-1]})
    assert scores.score.tolist() == [100] * 6
    assert sorted(zip(scores.language, scores.layer, scores["items"], strict=True)) == [
        (language, layer, count) for language, count in (("de", 6), ("en", 14)) for layer in range(3)
    ]
    records.check("scores", scores)
    records.check("items", items)


@pytest.mark.parametrize(("name", "score"), [("retr_bitext", 0), ("retr_el", None)])
def test_candidates_in_the_wrong_order_are_not_found(name, score, tiny_encoder, tiny_rows, tiny_candidates):
    rows = tiny_rows("retrieval", 14)
    queries = [row["query"] for row in rows]
    for row, query in zip(rows, queries[1:] + queries[:1], strict=True):
        row["query"] = query
    scores, items = retrieve(tiny_encoder, {"en": rows}, {"en": tiny_candidates(14)}, name)
    if score is not None:
        assert scores.score.tolist() == [score] * 3
    else:  # the right one is second at best
        assert scores.score.between(100 / 14, 50).all()
    assert scores.score.tolist() == pytest.approx((100 * items.groupby("layer").numerator.mean()).tolist())


def test_a_candidate_is_encoded_once_whatever_pools_it_is_in(tiny_encoder, tiny_rows, tiny_candidates):
    rows = {"en": tiny_rows("retrieval", 3), "de": tiny_rows("retrieval", 8)}
    candidates = {"en": tiny_candidates(3), "de": tiny_candidates(8)}
    found = Evaluation(task("retr_bitext"), rows, tiny_encoder, 64, candidates=candidates)
    tokens = [encode_texts([row["query"] for row in rows[of]], tiny_encoder.tokenizer, 64).tokens for of in rows]
    assert found.tokens == sum(tokens) + tokens[1]
    scores, items = found.of_encoder(**RUN)
    assert set(scores.score) == {100}  # the right one is no rival of itself
    assert len(items) == 3 * (3 + 8)


@pytest.mark.parametrize(("pool", "right"), [("language", 100), ("all", 0)])
def test_a_query_meets_the_candidates_of_its_language_or_of_all(pool, right, tiny_encoder, tiny_rows):
    """Each language asks what is the other's candidate word for word, but for its own right one."""
    rows = {of: [{"id": "1", "query": f"{of} message", "right": [f"{of}1"]}] for of in ("en", "de")}
    texts = {"en": "de message", "de": "en message"}
    candidates = {of: [{"id": f"{of}1", "text": texts[of], "context": ""}] for of in rows}
    scores, _ = retrieve(tiny_encoder, rows, candidates, pool=pool)
    assert set(scores.score) == {right}


def test_a_candidate_is_its_text_with_its_context(tiny_encoder):
    """Two candidates with the same text are told apart by their contexts."""
    candidates = [{"id": str(i), "text": "It is.", "context": f"{word} is here. It is."} for i, word in enumerate("ab")]
    found = Evaluation(
        task("lareqa"),
        {"en": [{"id": "q", "query": "a", "right": ["0", "1"]}]},
        tiny_encoder,
        64,
        candidates={"en": candidates},
    )
    states = pooled_layers(tiny_encoder, found.candidates)
    assert states.shape[1] == 2 and not np.allclose(states[-1, 0], states[-1, 1])


def test_all_metrics_of_a_retrieval_task_are_scored(tiny_encoder, tiny_rows, tiny_candidates):
    scores, items = retrieve(
        tiny_encoder, {"en": tiny_rows("retrieval", 9)}, {"en": tiny_candidates(9)}, also=("map20", "mining_f1")
    )
    assert scores.groupby("metric", sort=False).score.min().to_dict() == {
        "accuracy": 100,
        "map20": 100,
        "mining_f1": 100,
    }
    records.check("items", items)


@pytest.mark.parametrize("candidates", [None, {"en": []}])
def test_candidates_are_needed_in_every_language(candidates, tiny_encoder, tiny_rows):
    rows = {"en": tiny_rows("retrieval", 2), "de": tiny_rows("retrieval", 2)}
    with pytest.raises(
        ValueError, match="candidates lack .*de, allowed for retr_bitext: .*load them with sources.cand"
    ):
        Evaluation(task("retr_bitext"), rows, tiny_encoder, 64, candidates=candidates)
