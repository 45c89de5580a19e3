import pytest
import torch

from stilts_utils import engines
from stilts_utils.engines import fidelity
from stilts_utils.engines.forms import FormEngine
from stilts_utils.models import encoder, heads
from stilts_utils.models.adapters import Adapters, merged
from stilts_utils.models.checkpoints import snapshot
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.settings import EncoderSpec


def deployed(task, precision="fp32", **options):
    return FormEngine(ENGINES[precision], encoder.load(EncoderSpec("random")), task, 64, **options)


def checkpoint(task):
    """Weights into which adapters were merged, that were then trained on, with the factors."""
    loaded = encoder.load(EncoderSpec("random"))
    head = heads.TaskModel(loaded.model, task, seed=3).head
    drawn = torch.Generator().manual_seed(1)
    weights = snapshot(loaded.trainable())
    factors = {
        name: torch.randn(factor.shape, generator=drawn) / 4
        for name, factor in Adapters(loaded.model, 1).factors.items()
    }
    weights = {name: weight + 0.01 * torch.randn(weight.shape, generator=drawn) for name, weight in weights.items()}
    return merged(weights, factors) | {f"head.{n}": 20 * p.detach() for n, p in head.named_parameters()} | factors


@pytest.mark.parametrize("shape", ["pair", "choice", "tagging"])
def test_beside_and_merged_answer_alike(tiny_rows, task_of, shape):
    weights, rows = checkpoint(task_of[shape]), tiny_rows(shape, 12)
    plain = engines.make(ENGINES["fp32"], encoder.load(EncoderSpec("random")), task_of[shape], 64)
    plain.use(plain.convert(weights))
    expected = fidelity.output(plain, rows)
    engine = deployed(task_of[shape], adapters=True)
    places = [parameter.data_ptr() for parameter in engine._parameters.values()]
    for form in (engine.convert(weights), engine.beside(weights), engine.convert(weights)):
        engine.use(form)
        found = fidelity.compare(fidelity.output(engine, rows), expected)
        assert found["largest_difference"] < 1e-5 and found["agreement"] == 1.0
        wrapped = hasattr(engine.model.encoder.encoder.layer[1].attention.self.query, "base_layer")
        assert wrapped == bool(form.factors)
    assert places == [parameter.data_ptr() for parameter in engine._parameters.values()]


def test_factors_count_when_they_are_beside(tiny_rows, task_of):
    weights, engine, rows = checkpoint(task_of["pair"]), deployed(task_of["pair"], adapters=True), tiny_rows("pair", 12)
    engine.use(engine.convert(weights))
    plain = fidelity.output(engine, rows)
    factors = {name: 2 * weight if name.endswith("lora_B") else weight for name, weight in weights.items()}
    form = engine.beside(weights)
    engine.use(type(form)(form.weights, [factors[name] for name in engine._adapters.factors]))
    assert fidelity.compare(fidelity.output(engine, rows), plain)["largest_difference"] > 1e-3


def test_a_checkpoint_without_factors_is_refused(task_of):
    weights = {name: weight for name, weight in checkpoint(task_of["pair"]).items() if "lora" not in name}
    with pytest.raises(ValueError, match="weights have 0 factors of adapters, allowed: 8; take a checkpoint of an arm"):
        deployed(task_of["pair"], adapters=True).beside(weights)


@pytest.mark.parametrize("shape", ["pair", "choice"])
def test_votes_are_counted_over_perturbed_copies_and_are_the_same_every_time(tiny_rows, task_of, shape):
    weights, rows = checkpoint(task_of[shape]), tiny_rows(shape, 12)
    engine = deployed(task_of[shape], radius=3.0)
    engine.use(engine.convert(weights))
    plain = engine.answer(rows).decisions
    engine.use(engine.voted(weights, 7))
    first, votes = engine.answer(rows), fidelity.output(engine, rows)
    assert engine.answer(rows).decisions == first.decisions == votes.decisions
    for counted in votes.logits:
        assert torch.equal(counted.floor().sum(-1), torch.full((len(counted),), 7.0))
    assert torch.cat(votes.logits).floor().amax(-1).min() < 7  # copies differ
    engine.use(engine.convert(weights))
    assert engine.answer(rows).decisions == plain and engine.answer(rows).tokens == first.tokens


def test_in_a_tiny_ball_all_copies_vote_as_the_plain_answer(tiny_rows, task_of):
    weights, rows = checkpoint(task_of["choice"]), tiny_rows("choice", 12)
    engine = deployed(task_of["choice"], radius=1e-6)
    engine.use(engine.convert(weights))
    plain = engine.answer(rows).decisions
    engine.use(engine.voted(weights, 3))
    assert engine.answer(rows).decisions == plain
