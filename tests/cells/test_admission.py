import pytest

from stilts_utils.cells import admission, make
from stilts_utils.models.encoder import load
from stilts_utils.study.settings import EncoderSpec
from stilts_utils.study.validation import StudyError
from tests.own_plugins import TASK

pytest_plugins = ["tests.own_encoders", "tests.own_plugins"]


def test_an_encoder_like_bert_is_stacked(own, tiny_encoder):
    admission.check(tiny_encoder)
    admission.check(load(EncoderSpec(own.write("bert", type_vocab_size=2))))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("xlm-roberta", {"type_vocab_size": 1}),  # positions begin after the padding token's
        ("bert", {"hidden_act": "relu"}),
        ("xlm-roberta-xl", {"type_vocab_size": 1}),
    ],
)
def test_an_encoder_that_stacked_layers_would_compute_wrongly_is_refused(own, kind, settings):
    loaded = load(EncoderSpec(own.write(kind, **settings)))
    with pytest.raises(ValueError, match="encoder .*own' cannot be stacked .*, allowed: encoders whose layers"):
        admission.check(loaded)


def test_rows_with_token_types_are_not_packed(monkeypatch, tmp_path):
    encoded_rows = make.encoded_rows

    def typed(session):
        encoded = encoded_rows(session)
        rows = next(iter(encoded.values()))[1]
        rows.types = [[[1] * len(sequence) for sequence in row] for row in rows.sequences]
        return encoded

    monkeypatch.setattr(make, "encoded_rows", typed)
    with pytest.raises(ValueError, match="encoder 'random' cannot be stacked .rows of .* have token types"):
        make.pack("studies/smoke.yaml", tmp_path)


def test_a_study_with_plugins_is_not_packed_in_arrays(plugged, tmp_path):
    plugged("mine.py", TASK)
    with pytest.raises(StudyError, match=r"plugins is \('mine.py',\), allowed: none"):
        make.pack(str(tmp_path / "own.yaml"), tmp_path / "pack")
