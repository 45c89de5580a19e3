"""Our training loop against its alternatives, and against the Trainer of transformers at the same settings."""

import tempfile
from collections.abc import Callable, Iterator

import torch

from stilts_utils.models import encoder, hardware
from stilts_utils.models.batches import Encoded
from stilts_utils.study.place import Place
from stilts_utils.study.settings import Recipe, adapt
from stilts_utils.study.study import Study
from stilts_utils.tasks import Task, task
from stilts_utils.training import intermediate
from stilts_utils.training.rows import training_rows
from stilts_utils.training.session import Session

STEPS = 4
TRAINER_STEPS = 12  # a call: the time that the Trainer spends on its start is then small


def _open(study: Study, run: str, **options) -> Session:
    """A session that trains on all cores: a study's runs share them, and here there is one at a time."""
    session = Session.open(study, Place.of(study, "bench", run=run), **options)
    torch.set_num_threads(hardware.cores())
    return session


def stepping(session: Session, name: str, precision: str, steps: int = STEPS) -> Callable:
    """A function that trains a few steps more."""
    session.precision = precision
    training = intermediate.begin(session, name, session.study.seeds[0])
    return lambda: training.run(training.step + steps)


def classifier(loaded: encoder.Encoder, entry: Task):
    """The encoder as the model of transformers for classes of texts; its embeddings are frozen, as in ours."""
    from transformers import AutoModelForSequenceClassification

    loaded.model.config.num_labels = len(entry.labels)
    model = AutoModelForSequenceClassification.from_config(loaded.model.config)
    model.base_model.load_state_dict(loaded.model.state_dict(), strict=False)  # it has a pooler besides
    model.base_model.embeddings.requires_grad_(False)
    return model


def trainer(model, tokenizer, rows: Encoded, recipe: Recipe, bf16: bool) -> Callable:
    """The Trainer of transformers as it comes but for the recipe: the same rows, batch size and rate."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    kept = [{"input_ids": row[0], "labels": gold} for row, gold in zip(rows.sequences, rows.gold, strict=True)]

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            told = TrainingArguments(
                folder,
                max_steps=TRAINER_STEPS,
                per_device_train_batch_size=recipe.batch_size,
                learning_rate=recipe.encoder_lr,
                weight_decay=recipe.weight_decay,
                max_grad_norm=recipe.max_gradient_norm,
                bf16=bf16,
                use_cpu=hardware.device() == "cpu",
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            )
            collator = DataCollatorWithPadding(tokenizer)
            made = Trainer(model, told, train_dataset=kept, data_collator=collator)
            made.remove_callback(PrinterCallback)
            made.train()

    return train


def lines(study: Study, compare: Callable[..., str]) -> Iterator[str]:
    """One line for each choice, each side with its own copy of the encoder."""
    name, precision = next(iter(study.intermediate)), hardware.training_precision()
    eager = stepping(_open(study, "eager"), name, precision)
    sdpa = stepping(_open(study, "sdpa", attention="sdpa"), name, precision)
    yield compare(f"time of a training step in {precision}, SDPA over eager attention", sdpa, eager)
    if precision != "fp32":
        full = stepping(_open(study, "fp32"), name, "fp32")
        yield compare(f"training throughput, {precision} over fp32", full, eager)
    entry = task(name)
    if entry.shape != "pair":
        yield f"no Trainer: it is measured with a pair task, and {name} is of shape {entry.shape}"
        return
    session = _open(study, "trainer")
    rows, recipe = training_rows(session, name, study.seeds[0]), adapt(study.training, study.intermediate[name])
    ours = stepping(session, name, precision, TRAINER_STEPS)
    for bf16 in (False, True) if precision == "bf16" else (False,):
        loaded = encoder.load(session.encoder.spec)
        other = trainer(classifier(loaded, entry), loaded.tokenizer, rows, recipe, bf16)
        called = "in bf16" if bf16 else "with its defaults"
        yield compare(
            f"training throughput in {precision} over the transformers Trainer {called} (to reach: 2)", other, ours
        )
