"""Whether stacked layers, which are written out for encoders like BERT's, compute what a study's encoder does."""

import dataclasses

import torch

from stilts_utils.cells.stack import Embeddings, Shape, Stack, to_row
from stilts_utils.models import admission, encoder, heads


@torch.inference_mode()
def check(loaded: encoder.Encoder) -> None:
    """Check on two short texts that stacked layers compute what the encoder does, which holds for those like BERT's only.

    Raises ValueError.
    """
    config, state = loaded.model.config, {name: tensor.cpu() for name, tensor in loaded.model.state_dict().items()}
    shape = Shape(**{field.name: getattr(config, field.name) for field in dataclasses.fields(Shape)})
    batch = loaded.tokenizer(list(admission.TEXTS), padding=True, return_tensors="pt")
    kept = batch["attention_mask"].bool()
    expected = loaded.model(**heads.encoder_inputs(loaded.model, batch)).last_hidden_state.cpu()[kept]
    try:
        start = to_row({name: state[name] for name in loaded.trainable()}, shape)[None]
        stack = Stack(shape, Embeddings(state, shape, "cpu", torch.float32), start, [0.0], None, dtype=torch.float32)
        states = stack.states(batch["input_ids"], kept)[shape.num_hidden_layers][0][kept]
        difference = float((states - expected).abs().max())
    except (KeyError, RuntimeError) as error:
        raise refusal(loaded, f"{type(error).__name__}: {error}") from error
    if not difference <= admission.TOLERANCE * max(1.0, float(expected.abs().max())):
        raise refusal(loaded, f"its states differ by {difference:.2g}")


def refusal(loaded: encoder.Encoder, reason: str) -> ValueError:
    """What says that an encoder cannot be stacked."""
    return ValueError(
        f"encoder {loaded.spec.name!r} cannot be stacked ({reason}), allowed: encoders whose layers, activation and positions "
        "are BERT's, such as packaged; run the study by `make study`"
    )
