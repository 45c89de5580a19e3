from stilts_utils.study import plugins
from stilts_utils.study.engines import Deployment


@plugins.runtime("truncated")
def first_half():
    from stilts_utils.engines.pytorch import TorchEngine  # where it runs: who reads the results needs no torch

    class FirstHalf(TorchEngine):
        """The head that was trained on the last layer reads the middle one: half the work, and other decisions."""

        def __init__(self, deployment, encoder, task, max_length, stride=64):
            layers = encoder.model.encoder.layer
            del layers[len(layers) // 2 :]
            super().__init__(deployment, encoder, task, max_length, stride)

    return FirstHalf


FIRST_HALF = Deployment("first_half", "truncated", "fp32", "PyTorch, the first half of the layers alone")
