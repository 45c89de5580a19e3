"""Targeted lexical injection: adapters that pull translations of a word together in an early layer.

Ngugi (2025, arXiv 2506.15415) injects 623 Swahili-English word pairs into Lugha-Llama, by a triplet loss on mean-pooled,
normalised states of layer 2 of 32, with adapters as in `models.adapters`. Its abstract and summaries of it were read, not its
text: the distance, the margin and the choice of negatives are ours. With a a word, p its English translation, and n the English
word of another pair of the batch,

    loss = mean(max(0, margin + cos(a, n) - cos(a, p)))

A large margin is met by moving words apart: of the packaged encoder, whose layer 2 has unrelated words at a
cosine of about .55 and translations at .72, a margin of .1 or more moved all words apart, and translations less than others.

States are those after layer `layer`, counted from 1, by default 2 of 12. The layers above get no gradient, and their adapters
stay 0; `peft` puts them there nonetheless. The loss sees the encoder's own dropout only if the recipe has some.

The source has no pairs to compare with but held-out translations. `shuffled` trains on the same words in random pairs: there is
nothing to learn then but to draw all words together, which raises the cosine of translations as well, held-out ones too. A
rise of it shows alignment only as far as it exceeds that of random pairs.
"""

import numpy as np
import torch
from torch.nn.functional import cosine_similarity, relu

from stilts_utils.data import lexicon
from stilts_utils.data.lexicon import Pair
from stilts_utils.models import heads
from stilts_utils.models.adapters import Adapters, merged
from stilts_utils.models.batches import collate, encode_texts, training_order
from stilts_utils.models.checkpoints import DTYPES, Weights, copy_into, snapshot
from stilts_utils.models.early_exit import entered
from stilts_utils.models.encoder import Encoder
from stilts_utils.study import sizes
from stilts_utils.study.seeds import stable_seed
from stilts_utils.study.settings import Recipe, adapt
from stilts_utils.training.evaluation import pooled_layers
from stilts_utils.training.session import Session
from stilts_utils.training.trajectory import LOGGED

LONGEST = 32  # tokens of a word, at most
MEASURED = 64  # pairs of each kind and language of which the cosine is recorded, at most: about the source's control
RANDOM = "random"  # the kind of pairs that are no translations; the others are `lexicon.SETS`


def triplet(word: torch.Tensor, translation: torch.Tensor, other: torch.Tensor, margin: float) -> torch.Tensor:
    """The loss, a scalar, of vectors (batch, hidden) each."""
    return relu(margin + cosine_similarity(word, other) - cosine_similarity(word, translation)).mean()


def others(english: list[str]) -> list[int]:
    """For every pair of a batch the place of the next one, from the first again, that has another English word."""
    count = len(english)
    after = [[(i + step) % count for step in range(1, count)] for i in range(count)]
    return [next((j for j in of_one if english[j] != english[i]), i) for i, of_one in enumerate(after)]


class Injection:
    """Adapters being trained on word pairs beside given weights, which stay as they are.

    The encoder's module is borrowed as by `trajectory.Training`, whose part this takes. `weights` are the encoder's with the
    adapters merged, and with them the adapters' factors, by which a checkpoint can be deployed unmerged. The order of pairs,
    dropout and the adapters' beginning depend on the seed alone. Raises ValueError for a layer that the encoder does not have.
    """

    lessons = ()  # of tasks, which would be validated

    def __init__(
        self,
        encoder: Encoder,
        pairs: list[Pair],
        recipe: Recipe,
        seed: int,
        start: Weights,
        precision: str,
        layer: int,
        margin: float,
    ):
        if not 1 <= layer <= encoder.layers:
            raise ValueError(f"layer is {layer}, allowed: 1 to {encoder.layers}, the layers of the encoder")
        self.recipe, self.encoder, self.pairs, self.start = recipe, encoder, pairs, start
        self.layer, self.margin = layer, margin
        self.step, self.examples, self.tokens, self.operations = 0, 0, 0, 0.0
        self.log: list[dict] = []
        encoder.model.to(DTYPES[precision])
        for module in encoder.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = recipe.dropout
        words, english = [pair.word for pair in pairs], [pair.english for pair in pairs]
        self._encoded = encode_texts([*words, *english], encoder.tokenizer, LONGEST)
        order = encode_texts(words, encoder.tokenizer, LONGEST)
        self._batches = training_order(order, recipe.batch_size, stable_seed(seed, "order of pairs"))
        self._adapters = Adapters(encoder.model, stable_seed(seed, "adapters"))
        self.factors = self._adapters.factors
        self._optimizer = torch.optim.AdamW(self.factors.values(), lr=0.0, weight_decay=recipe.weight_decay)
        torch.manual_seed(stable_seed(seed, "dropout of adapters"))

    @property
    def weights(self) -> Weights:
        """The encoder's weights with the adapters merged, and the adapters' factors, in float32."""
        factors = snapshot(self.factors)
        return merged(self.start, factors) | factors

    def run(self, until: int) -> "Injection":
        """Train up to optimizer step `until`. The borrowed module then has the merged weights, and no adapters."""
        parameters = self.encoder.trainable()
        copy_into(parameters, self.start)
        self._adapters.attach()
        self._freeze(True)
        self.encoder.model.train()
        while self.step < until:
            self._one_step(next(self._batches))
        self.encoder.model.eval()
        self._freeze(False)
        self._adapters.attach(False)
        copy_into(parameters, self.weights)
        return self

    def _freeze(self, frozen: bool) -> None:
        for parameter in self.encoder.trainable().values():
            parameter.requires_grad_(not frozen)
        for factor in self.factors.values():
            factor.requires_grad_()

    def _one_step(self, pairs: list[int]) -> None:
        self.step += 1
        rate = self.recipe.encoder_lr * min(1.0, self.step / max(1, self.recipe.warmup_steps))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        rows = [*pairs, *(len(self.pairs) + pair for pair in pairs)]
        batch = collate(self._encoded, rows, self.encoder.tokenizer.pad_token_id)
        words, english = self._states(batch).chunk(2)
        other = others([self.pairs[pair].english for pair in pairs])
        loss = triplet(words, english, english[other], self.margin)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.factors.values(), self.recipe.max_gradient_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        mask = batch["attention_mask"]
        self.examples += len(pairs)
        self.tokens += int(mask.sum())
        whole = sizes.of_config(self.encoder.model.config).training(mask.numel(), mask.shape[1])
        self.operations += whole * self.layer / self.encoder.layers
        counts = {"examples": self.examples, "tokens": self.tokens, "operations": self.operations}
        self.log.append({"step": self.step, "loss": loss.item(), "learning_rate": rate, **counts})

    def _states(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mean-pooled states after the layer: (rows, hidden)."""
        inputs = heads.encoder_inputs(self.encoder.model, batch)
        states, attended = entered(self.encoder.model, inputs)
        for block in self.encoder.model.encoder.layer[: self.layer]:
            states = block(states, attended)
        return heads.mean_pool(states, inputs["attention_mask"])

    def state(self) -> Weights:
        """All that going on from here needs, besides what the training was begun with: tensors by name."""
        state = {f"factor.{name}": factor for name, factor in self.factors.items()}
        for name, factor in self.factors.items():
            state |= {f"optimizer.{name}/{part}": value for part, value in self._optimizer.state[factor].items()}
        state["random"] = torch.get_rng_state()
        if torch.cuda.is_available():
            state["random.gpu"] = torch.cuda.get_rng_state()
        state["log"] = torch.tensor([[row[name] for name in LOGGED] for row in self.log], dtype=torch.float64)
        return {name: tensor.detach().clone() for name, tensor in state.items()}

    def restore(self, state: Weights) -> None:
        """Go on from the state of a training that was begun with the same; this one has not begun to train."""
        for name, factor in self.factors.items():
            with torch.no_grad():
                factor.copy_(state[f"factor.{name}"])
            prefix = f"optimizer.{name}/"
            found = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            if found:  # layers above the one that is trained have none
                self._optimizer.state[factor] = {part: value.to(factor.device) for part, value in found.items()}
        rows = state["log"].tolist()
        self.log = [{n: kind(value) for (n, kind), value in zip(LOGGED.items(), row, strict=True)} for row in rows]
        counts = ("step", "examples", "tokens", "operations")
        self.step, self.examples, self.tokens, self.operations = (self.log[-1][name] for name in counts)
        for _ in range(self.step):
            next(self._batches)
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random.gpu"])


def begin(session: Session, arm: str, seed: int) -> Injection:
    """The training of an arm's trajectory, at step 0."""
    settings = session.study.intermediate[arm]
    pairs = lexicon.pairs(settings.languages)["trained"]
    pairs = lexicon.shuffled(pairs, seed) if settings.shuffled else pairs
    recipe = adapt(session.study.training, settings)
    given = (session.encoder, pairs, recipe, seed, session.pretrained, session.precision)
    return Injection(*given, settings.layer, settings.margin)


def cosines(encoder: Encoder, pairs: list[Pair]) -> np.ndarray:
    """Cosine of the words of every pair by the encoder as it is, after every layer, 0 the embeddings: (layers + 1, pairs)."""
    words, english = (
        torch.from_numpy(pooled_layers(encoder, encode_texts(texts, encoder.tokenizer, LONGEST)))
        for texts in ([pair.word for pair in pairs], [pair.english for pair in pairs])
    )
    return cosine_similarity(words, english, dim=-1).numpy()


def measured(session: Session, arm: str, seed: int, duration: int, weights: Weights) -> list[dict]:
    """Rows of `lexical` of a checkpoint of an arm: at the layer trained and at the last.

    Random pairs are the shuffled words of the trained ones, the same that are trained on with `shuffled`.
    """
    settings, encoder, rows = session.study.intermediate[arm], session.encoder, []
    found = lexicon.pairs(settings.languages)
    found[RANDOM] = lexicon.shuffled(found["trained"], seed)
    copy_into(encoder.trainable(), weights)
    for kind, language in ((kind, language) for kind in found for language in settings.languages):
        pairs = [pair for pair in found[kind] if pair.language == language]
        by_layer = cosines(encoder, pairs[:: -(-len(pairs) // MEASURED)])
        run = {"intermediate": arm, "duration": duration, "seed": seed, "language": language, "pairs": kind}
        for layer in sorted({settings.layer, encoder.layers}):
            values = by_layer[layer].astype(float)
            numbers = {"cosine": values.mean(), "deviation": values.std(ddof=1), "items": len(values)}
            rows.append({**run, "layer": layer, **numbers})
    return rows
