import dataclasses

import pandas as pd
import pytest

from stilts_utils.models import hardware
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import files as records
from stilts_utils.training.intermediate import trajectory
from stilts_utils.training.session import Session
from stilts_utils.training.transfer import transfer


def test_sequences_longer_than_the_encoder_takes_are_refused(tiny_study):
    recipe = dataclasses.replace(tiny_study.training, max_length=600)
    message = "training.max_length is 600, allowed: at most 512, the positions that the encoder random has"
    with pytest.raises(StudyError, match=message):
        Session.open(dataclasses.replace(tiny_study, training=recipe), "3_target", "test")


def test_a_session_opens_at_the_precision_of_the_machine(tiny_study, monkeypatch):
    study = dataclasses.replace(tiny_study, layers_without_bf16=1)
    for precision, layers in (("fp32", 1), ("bf16", 2)):
        monkeypatch.setattr(hardware, "training_precision", lambda precision=precision: precision)
        session = Session.open(study, "3_target", "test")
        assert (session.precision, session.encoder.layers) == (precision, layers)
        assert session.pretrained.keys() == session.encoder.trainable().keys()
    shallow = dataclasses.replace(tiny_study, layers=1)
    assert Session.open(shallow, "3_target", "test").encoder.layers == 1
    deeper = dataclasses.replace(tiny_study, layers=2, layers_without_bf16=1)
    assert [deeper.encoder_at(precision).layers for precision in ("fp32", "bf16")] == [1, 2]


def test_a_checkpoint_depends_on_encoder_depth_precision_and_recipe(session):
    made = {session.made_from("temprel", 2, 1), session.made_from("temprel", 2, 2), session.made_from("dtag", 2, 1)}
    for change in ({"encoder": "packaged"}, {"training": dataclasses.replace(session.study.training, batch_size=5)}):
        other = dataclasses.replace(session, study=dataclasses.replace(session.study, **change))
        made.add(other.made_from("temprel", 2, 1))
    made.add(dataclasses.replace(session, precision="bf16").made_from("temprel", 2, 1))
    assert len(made) == 6
    longer = dataclasses.replace(session.study, durations=(0, 1, 2, 4, 8), title="longer", items=9)
    assert dataclasses.replace(session, study=longer).made_from("temprel", 2, 1) in made


def test_costs_are_kept_by_part(session):
    trajectory(session, "temprel", 1)
    transfer(session, ("mc_facts", "retr_bitext"), "temprel", 4, 1)
    rows = session.costs.rows()
    records.check("costs", pd.DataFrame(rows))
    parts = {row["part"]: row for row in rows}
    assert {"load", "data", "train", "store", "evaluate"} == set(parts)
    assert parts["train"]["steps"] == 4 + 3
    assert parts["train"]["tokens"] > 0 and parts["evaluate"]["tokens"] > 0
