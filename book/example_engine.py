from stilts_utils.study import plugins
from stilts_utils.study.engines import Deployment

ONE_CORE = "one core"


@plugins.runtime(ONE_CORE)
def one_core():
    import torch  # where it runs: who reads the results needs no torch

    from stilts_utils.engines.pytorch import TorchEngine

    class OneCore(TorchEngine):
        """The other cores are left to other requests."""

        def logits(self, batch, rows):
            cores = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                return super().logits(batch, rows)
            finally:
                torch.set_num_threads(cores)

    return OneCore


OWN = Deployment("one_core", ONE_CORE, "fp32", "PyTorch with fused attention, on one core")
