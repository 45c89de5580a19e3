import dataclasses

from benchmarks import training
from stilts_utils.models import encoder
from stilts_utils.study.settings import EncoderSpec, adapt
from stilts_utils.training.rows import training_rows
from stilts_utils.training.session import Session


def test_the_trainer_trains_the_same_parameters(tiny_study, tiny_place):
    session = Session.open(tiny_study, tiny_place)
    name = next(iter(tiny_study.intermediate))
    loaded = encoder.load(EncoderSpec("random"))
    model = training.classifier(loaded, session.task(name))
    before = {key: value.clone() for key, value in model.base_model.state_dict().items()}
    recipe = adapt(tiny_study.training, tiny_study.intermediate[name])
    rows = training_rows(session, name, tiny_study.seeds[0])
    training.trainer(model, loaded.tokenizer, rows, recipe, bf16=False)()
    after = model.base_model.state_dict()
    assert {key for key in after if not key.startswith("pooler") and not after[key].equal(before[key])} == set(
        loaded.trainable()
    )
    assert all(
        before[key].equal(value) for key, value in encoder.load(EncoderSpec("random")).model.state_dict().items()
    )


def test_a_step_and_the_trainer_are_compared(tiny_study):
    said = list(training.lines(tiny_study, lambda name, *calls: name))
    assert said[0].startswith("time of a training step in ")
    assert "over the transformers Trainer with its defaults (to reach: 2)" in " ".join(said)


def test_a_shape_without_a_trainer_is_said(tiny_study):
    study = dataclasses.replace(tiny_study, intermediate={"mc_facts": next(iter(tiny_study.intermediate.values()))})
    said = list(training.lines(study, lambda name, *calls: name))
    assert said[-1] == "no Trainer: it is measured with a pair task, and mc_facts is of shape choice"
