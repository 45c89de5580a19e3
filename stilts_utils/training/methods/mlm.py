"""Masked language modelling on multilingual text, beside intermediate tasks (Phang et al. 2020, variant i) or alone.

15 % of a text's tokens are asked for; of these 80 % read as the mask, 10 % as a random token and 10 % as they are (Devlin et
al. 2019, section 3.1), chosen anew every time that a text is read (Liu et al. 2019, section 4.1). Logits are
LayerNorm(gelu(W h + b)) E' + c with the frozen word embeddings E, so that nothing of a vocabulary's size is trained but c.

The vocabulary is cut to the tokens that occur in the text: the others never are an answer, and 250 thousand of them would cost
a CPU more than the encoder does. Random tokens are drawn from it, too. The head's weights begin fresh, since an encoder comes
without those it was pretrained with. Languages are read in equal parts. The text is that of `data.unlabelled`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, gelu, linear

from stilts_utils.data import unlabelled
from stilts_utils.models import heads
from stilts_utils.models.batches import IGNORED, Encoded, collate, encode_texts
from stilts_utils.models.encoder import Encoder
from stilts_utils.study import sizes
from stilts_utils.study.seeds import stable_seed
from stilts_utils.study.settings import Recipe
from stilts_utils.study.sizes import Sizes
from stilts_utils.tasks import Task
from stilts_utils.training.lessons import Beside, Computed, Lesson, order
from stilts_utils.training.methods import supervised
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import Training

NAME = "mlm"
ASKED, MASKED, RANDOM = 0.15, 0.8, 0.1


class Tied(nn.Module):
    """Logits over some tokens: one layer, then the frozen word embeddings of those tokens."""

    def __init__(self, words: torch.Tensor, seed: int):
        """`words`: embeddings of the tokens, (tokens, hidden)."""
        super().__init__()
        hidden, generator = words.shape[1], torch.Generator().manual_seed(seed)
        self.dense, self.norm = nn.Linear(hidden, hidden), nn.LayerNorm(hidden)
        nn.init.normal_(self.dense.weight, std=0.02, generator=generator)
        nn.init.zeros_(self.dense.bias)
        self.bias = nn.Parameter(torch.zeros(len(words)))
        self.register_buffer("words", words, persistent=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """(asked, hidden) -> (asked, tokens)."""
        return linear(self.norm(gelu(self.dense(states))), self.words, self.bias)


class MaskedModel(nn.Module):
    """An encoder and the head over its states."""

    def __init__(self, encoder: nn.Module, kept: torch.Tensor, seed: int):
        super().__init__()
        self.encoder = encoder
        words = encoder.get_input_embeddings().weight.detach()[kept.to(encoder.device)].float()
        self.head = Tied(words, seed).to(encoder.device)


def masked(
    tokens: torch.Tensor, free: torch.Tensor, kept: torch.Tensor, mask: int, generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (sequences, length) with 15 % of the `free` ones asked for: what is read there, and which are asked for.

    At least one token is asked for if any is free. `kept`: the tokens that random ones are drawn from.
    """
    places = generator.random(tuple(tokens.shape))
    places[~free.numpy()] = 2
    asked = torch.from_numpy(places < max(ASKED, places.min() + 1e-9)) & free
    how, other = generator.random(tuple(tokens.shape)), generator.integers(len(kept), size=tuple(tokens.shape))
    read = torch.where(asked & torch.from_numpy(how < MASKED), mask, tokens)
    random = torch.from_numpy((how >= MASKED) & (how < MASKED + RANDOM))
    return torch.where(asked & random, kept[torch.from_numpy(other)], read), asked


@dataclass
class MaskedText(Lesson):
    """Masked language modelling. `kept`: the tokens of the cut vocabulary, in order; `special`: those never asked for."""

    text: Encoded
    model: MaskedModel
    batches: Iterator[list[int]]
    kept: torch.Tensor
    special: torch.Tensor
    mask: int
    pad: int
    seed: int
    sizes: Sizes
    task: Task | None = None
    passed: int = 0  # batches so far: a batch's masks depend on its number and the seed alone

    def skip(self) -> None:
        """Pass over the next texts."""
        self.passed += 1
        next(self.batches)

    def compute(self) -> Computed:
        """The mean cross-entropy of the tokens that are asked for in the next texts."""
        texts, generator = next(self.batches), np.random.default_rng([self.seed, self.passed])
        self.passed += 1
        batch = collate(self.text, texts, self.pad)
        answers, kept_out = batch["input_ids"], batch["attention_mask"]
        free = ~torch.isin(answers, self.special) & kept_out.bool()
        batch["input_ids"], asked = masked(answers, free, self.kept, self.mask, generator)
        inputs = heads.encoder_inputs(self.model.encoder, batch)
        states = self.model.encoder(**inputs).last_hidden_state
        logits = self.model.head(states[asked.to(states.device)].float())
        gold = torch.searchsorted(self.kept, answers[asked])
        loss = cross_entropy(logits, gold.to(logits.device), ignore_index=IGNORED)
        return Computed(loss, len(texts), int(kept_out.sum()), self._operations(kept_out, int(asked.sum())))

    def _operations(self, mask: torch.Tensor, asked: int) -> float:
        """The tied layer has no gradient of its own: its backward pass costs as much as its forward pass, not twice."""
        tied, dense = 2 * asked * self.sizes.hidden * len(self.kept), 2 * asked * self.sizes.hidden**2
        return self.sizes.training(mask.numel(), mask.shape[1]) + 2 * tied + 3 * dense


def lesson(encoder: Encoder, text: Encoded, recipe: Recipe, seed: int) -> MaskedText:
    """The lesson on tokenised texts. Raises ValueError if the tokenizer has no mask."""
    tokenizer = encoder.tokenizer
    if tokenizer.mask_token_id is None:
        raise ValueError(
            "mask_token of the tokenizer is None, allowed: a token, which masked language modelling puts in the place of "
            "others; set it in the tokenizer_config.json of the encoder's folder, or take out arms of the method mlm"
        )
    special = torch.tensor(sorted(tokenizer.all_special_ids))
    kept = torch.tensor(sorted({i for row in text.sequences for one in row for i in one} - set(special.tolist())))
    model = MaskedModel(encoder.model, kept, stable_seed(NAME, seed, "head"))
    batches, own = order(NAME, text, recipe, seed), stable_seed(NAME, seed, "masks")
    size, ids = sizes.of_config(encoder.model.config), (tokenizer.mask_token_id, tokenizer.pad_token_id)
    return MaskedText(text, model, batches, kept, special, *ids, own, size)


def texts(session: Session) -> Encoded:
    """The study's multilingual text, tokenised: as many texts of every language."""
    with session.costs.part("data"):
        of_language = unlabelled.texts(session.study)
        most = max(map(len, of_language.values()))
        every = [found[i % len(found)] for i in range(most) for found in of_language.values()]
        return encode_texts(every, session.encoder.tokenizer, session.study.training.max_length)


def begin(session: Session, arm: str, seed: int) -> Training:
    """The training of an arm of the method `mlm` or `mlm_alone`, at step 0."""
    settings, text = session.study.intermediate[arm], texts(session)
    share = settings.mlm if settings.entry.tasks else 1.0
    beside = Beside(NAME, share, lambda encoder, recipe, own: lesson(encoder, text, recipe, own))
    return supervised.begin(session, arm, seed, beside=beside)
