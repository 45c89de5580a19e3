import dataclasses

import pandas as pd
import pytest
import torch

from stilts_utils.data import lexicon
from stilts_utils.models.adapters import merged
from stilts_utils.models.checkpoints import copy_into, snapshot
from stilts_utils.study.settings import Arm
from stilts_utils.tables import files
from stilts_utils.training.intermediate import start, trajectory
from stilts_utils.training.methods import lexical
from tests.training.conftest import both_precisions, same
from tests.training.conftest import session as session


@pytest.fixture
def begun(session):
    def begin(**changes):
        """A study with an arm of injection, begun."""
        arm = Arm(
            method="lexical_injection", languages=("de", "zh"), batch_size=16, encoder_lr=2e-2, layer=1, margin=0.5
        )
        session.study = dataclasses.replace(
            session.study, intermediate={"temprel": Arm(), "words": dataclasses.replace(arm, **changes)}
        )
        return lexical.begin(session, "words", 1)

    return begin


def test_the_loss_is_that_of_its_definition():
    """Worked out by hand: cosines of 0.6 and 0.8 to the word, of 1 and 0, of -1 and 1."""
    word = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    translation = torch.tensor([[0.6, 0.8], [5.0, 0.0], [0.0, -1.0]])
    other = torch.tensor([[4.0, 3.0], [0.0, 1.0], [0.0, 2.0]])
    losses = [0.1 + 0.8 - 0.6, 0.0, 0.1 + 1 + 1]
    for i, expected in enumerate(losses):
        assert lexical.triplet(word[[i]], translation[[i]], other[[i]], 0.1).item() == pytest.approx(expected, abs=1e-6)
    assert lexical.triplet(word, translation, other, 0.1).item() == pytest.approx(sum(losses) / 3)


def test_the_other_word_is_another_one():
    assert lexical.others(["a", "a", "b", "c"]) == [2, 2, 3, 0]
    assert lexical.others(["a"]) == [0] and lexical.others(["a", "a"]) == [0, 1]


@both_precisions
@pytest.mark.parametrize("margin", [0.05, 0.5])
def test_a_small_margin_raises_the_cosine_of_trained_pairs_and_a_large_one_tells_them_from_random_ones(
    session, begun, margin
):
    training = begun(margin=margin, encoder_lr=5e-3 if margin < 0.1 else 2e-2)
    translations, random = training.pairs[:60], lexicon.shuffled(training.pairs[:60], 1)
    before, apart = (lexical.cosines(session.encoder, pairs)[1].mean() for pairs in (translations, random))
    training.run(40)
    after, still_apart = (lexical.cosines(session.encoder, pairs)[1].mean() for pairs in (translations, random))
    assert after > before + 0.005 if margin < 0.1 else after - still_apart > before - apart + 0.05


@both_precisions
def test_nothing_but_query_and_value_of_the_layer_changes(session, begun):
    training = begun().run(4)
    weights = training.weights
    assert {name for name in session.pretrained if not torch.equal(weights[name], session.pretrained[name])} == {
        f"encoder.layer.0.attention.self.{part}.weight" for part in ("query", "value")
    }
    assert set(weights) == set(session.pretrained) | set(training.factors)
    assert same(merged(session.pretrained, {n: weights[n] for n in training.factors}) | weights, weights)
    in_use = {n: p.float() for n, p in session.encoder.trainable().items()}
    for name, parameter in in_use.items():
        torch.testing.assert_close(parameter, weights[name], rtol=1e-2, atol=1e-3)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in session.encoder.trainable().values())


def test_unmerged_adapters_give_the_states_of_the_merged_weights(session, begun):
    training, text = begun().run(20), lexicon.pairs(["de"])["control"][:20]
    by_merged = lexical.cosines(session.encoder, text)
    copy_into(session.encoder.trainable(), session.pretrained)
    training._adapters.attach()
    beside = lexical.cosines(session.encoder, text)
    training._adapters.attach(False)
    assert abs(beside - by_merged).max() < 1e-5 < abs(lexical.cosines(session.encoder, text) - by_merged).max()


def test_a_restored_training_goes_on_as_if_it_had_not_stopped(session, begun):
    first = begun().run(3)
    state, whole = first.state(), first.run(6)
    second = begun()
    second.restore(state)
    assert same(second.run(6).weights, whole.weights)
    assert second.log == whole.log and second.operations == whole.operations


def test_random_pairs_are_the_same_words_in_the_same_order(session, begun):
    plain, mixed = begun(), begun(shuffled=True)
    for side in ("word", "english"):
        assert sorted(getattr(p, side) for p in plain.pairs) == sorted(getattr(p, side) for p in mixed.pairs)
    assert not set(plain.pairs) & set(mixed.pairs)
    assert same(snapshot(plain.factors), snapshot(mixed.factors))


def test_cosines_are_recorded_by_kind_of_pairs_language_and_layer(session, begun):
    training = begun()
    rows = lexical.measured(session, "words", 1, 0, session.pretrained)
    rows += lexical.measured(session, "words", 1, 4, training.run(4).weights)
    files.check("lexical", pd.DataFrame(rows))
    frame = pd.DataFrame(rows).set_index(["duration", "language", "pairs", "layer"])
    assert len(frame) == 2 * 2 * 3 * 2 and set(frame.index.unique("pairs")) == {"trained", "control", "random"}
    assert frame["items"].max() <= lexical.MEASURED
    assert (frame.loc[0].cosine != frame.loc[4].cosine).all()


def test_a_layer_that_the_encoder_does_not_have_is_refused(begun):
    with pytest.raises(ValueError, match="layer is 3, allowed: 1 to 2, the layers of the encoder"):
        begun(layer=3)


def test_a_trajectory_keeps_the_factors_beside_the_merged_weights_and_records_cosines(session, begun):
    begun()
    tables = trajectory(session, "words", 1)
    files.check("lexical", pd.DataFrame(tables["lexical"]))
    assert {row["duration"] for row in tables["lexical"]} == {0, 1, 2, 4} and tables["validation"] == []
    weights = start(session, "words", 4, 1)
    factors = {name: weight for name, weight in weights.items() if name not in session.pretrained}
    assert len(factors) == 8 and same(merged(session.pretrained, factors) | factors, weights)
    assert tables["checkpoints"][0]["parameters"] == sum(w.numel() for w in session.pretrained.values())
