import dataclasses

import numpy as np
import pytest

from benchmarks import embeddings, run
from stilts_utils.models import encoder
from stilts_utils.study.settings import EncoderSpec

TEXTS = ["query: a house", "query: ein Haus am See", "query: 湖边的房子", "query: four words and a half"]


def test_vectors_are_those_of_sentence_transformers():
    ours = embeddings.ours(encoder.load(EncoderSpec("random")), "fp32")(TEXTS)
    theirs = embeddings.sentence_transformers(encoder.load(EncoderSpec("random")))(TEXTS)
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert np.linalg.norm(ours, axis=1) == pytest.approx(1, abs=1e-5)


def test_every_precision_is_compared_at_both_batch_sizes(tiny_study):
    said = list(embeddings.lines(tiny_study, lambda name, *calls: name))
    assert said[0].startswith(
        "throughput, vectors of 128 sentences, fp32 over sentence-transformers (cosine at least 1.0"
    )
    assert said[1].startswith("throughput, one sentence after another, fp32 over sentence-transformers")


def test_sentences_are_those_of_the_timed_target_or_of_a_retrieval_target(tiny_study):
    timed = dataclasses.replace(tiny_study.inference, target="dtag")
    tagged = embeddings.texts_of(dataclasses.replace(tiny_study, inference=timed))
    assert tagged and all(text.startswith("query: ") for text in tagged)
    only = {name: tiny_study.targets[name] for name in ("mc_facts", "retr_bitext")}
    assert embeddings.texts_of(dataclasses.replace(tiny_study, targets=only))[0].endswith(" message")


def test_a_study_without_sentences_is_said(tiny_study):
    study = dataclasses.replace(tiny_study, targets={"mc_facts": tiny_study.targets["mc_facts"]})
    (line,) = embeddings.lines(study, run.compare)
    assert line == "no sentence vectors: the study has no target with single sentences"
