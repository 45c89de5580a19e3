import dataclasses

import pandas as pd
import pytest

from stilts_utils.models import hardware
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import files as records
from stilts_utils.tables import identity
from stilts_utils.training.intermediate import trajectory
from stilts_utils.training.session import Session
from stilts_utils.training.transfer import transfer


def test_sequences_longer_than_the_encoder_takes_are_refused(tiny_study, tiny_place):
    recipe = dataclasses.replace(tiny_study.training, max_length=600)
    message = "training.max_length is 600, allowed: at most 512, the positions that the encoder random has"
    with pytest.raises(StudyError, match=message):
        Session.open(dataclasses.replace(tiny_study, training=recipe), tiny_place)


def test_a_session_opens_at_the_precision_of_the_machine(tiny_study, tiny_place, monkeypatch):
    study = dataclasses.replace(tiny_study, layers_without_bf16=1)
    for precision, layers in (("fp32", 1), ("bf16", 2)):
        monkeypatch.setattr(hardware, "training_precision", lambda precision=precision: precision)
        session = Session.open(study, tiny_place)
        assert (session.precision, session.encoder.layers) == (precision, layers)
        assert session.pretrained.keys() == session.encoder.trainable().keys()
    shallow = dataclasses.replace(tiny_study, layers=1)
    assert Session.open(shallow, tiny_place).encoder.layers == 1
    deeper = dataclasses.replace(tiny_study, layers=2, layers_without_bf16=1)
    assert [deeper.encoder_at(precision).layers for precision in ("fp32", "bf16")] == [1, 2]


def test_a_checkpoint_depends_on_its_identity_and_on_depth_and_precision(session):
    def stored(opened, *arm):
        return opened.stored(identity.of_intermediate(opened.study, *arm), "intermediate")

    made = {stored(session, "temprel", 2, 1).made_from, stored(session, "temprel", 2, 2).made_from}
    made.add(dataclasses.replace(session, precision="bf16" if session.precision == "fp32" else "fp32").fingerprint(
        identity.of_intermediate(session.study, "temprel", 2, 1)
    ))  # fmt: skip
    assert len(made) == 3
    asked = [(name, d, s) for name in ("temprel",) for d in (2, 4) for s in (1, 2)]
    files = {stored(session, *one).files for one in asked}
    assert len(files) == 4 and all(session.study.folder in file.parents for (file,) in files)


def test_costs_are_kept_by_part(session):
    trajectory(session, "temprel", 1)
    transfer(session, ("mc_facts", "retr_bitext"), "temprel", 4, 1)
    rows = session.costs.rows()
    records.check("costs", pd.DataFrame(rows))
    parts = {row["part"]: row for row in rows}
    assert {"load", "data", "train", "store", "evaluate"} == set(parts)
    assert parts["train"]["steps"] == 4 + 3
    assert parts["train"]["tokens"] > 0 and parts["evaluate"]["tokens"] > 0
