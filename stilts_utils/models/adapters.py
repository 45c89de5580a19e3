"""Low-rank adapters on the query and value projections of an encoder, by `peft`: beside the weights, or merged into them.

LoRA (Hu et al. 2021, 2106.09685): a projection computes W x + (ALPHA / RANK) B A dropout(x), where only A (RANK, in) and B
(out, RANK) are trained, and B begins at 0. Rank, alpha, dropout and the two projections are those of targeted lexical injection
(Ngugi 2025, 2506.15415). Merged, W + (ALPHA / RANK) B A takes the place of W, and no adapter is left to compute.
"""

import torch

from stilts_utils.models.checkpoints import Weights

RANK, ALPHA, DROPOUT = 16, 32, 0.05
PROJECTIONS = ("query", "value")
A, B = "lora_A", "lora_B"


class Adapters:
    """Adapters for every layer of an encoder's model, with A drawn from a seed. They are not attached at first.

    The model keeps its parameters and, while they are not attached, its modules: adapters wrap them in place.
    """

    def __init__(self, model: torch.nn.Module, seed: int, dtype: torch.dtype = torch.float32):
        from peft import LoraConfig, inject_adapter_in_model

        plain = {name: module for name, module in model.named_modules() if name.endswith(PROJECTIONS)}
        wanted = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
        vars(model).pop("peft_config", None)  # of earlier adapters, which are not attached
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=DROPOUT, target_modules=list(PROJECTIONS))
        parameters = dict(model.named_parameters())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inject_adapter_in_model(config, model)
        self._model = model
        self._forms = {name: (module, model.get_submodule(name)) for name, module in plain.items()}
        for name, parameter in parameters.items():  # which peft has frozen
            parameter.requires_grad_(wanted[name])
        self.factors = {}
        for name, (_, wrapped) in self._forms.items():
            wrapped.train(model.training)
            for part in (A, B):
                (layer,) = getattr(wrapped, part).values()
                self.factors[f"{name}.{part}"] = layer.to(dtype).weight
        self.attach(False)

    def attach(self, beside: bool = True) -> None:
        """Put the adapters beside the weights, or take them away."""
        for name, forms in self._forms.items():
            parent, _, last = name.rpartition(".")
            setattr(self._model.get_submodule(parent), last, forms[beside])


def merged(weights: Weights, factors: Weights, times: int = 1) -> Weights:
    """Weights with the adapters' product added, in float32; with `times` -1, taken out again."""
    added = dict(weights)
    for name in factors:
        module, _, part = name.rpartition(".")
        if part == A:
            product = factors[f"{module}.{B}"].float() @ factors[name].float()
            weight = weights[f"{module}.weight"]
            added[f"{module}.weight"] = weight.float() + times * ALPHA / RANK * product.to(weight.device)
    return added
