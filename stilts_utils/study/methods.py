"""The methods by which an arm spends its steps: one entry each, with its source.

What each computes lies in `stilts_utils/training/methods`, in a module that its entry names.
"""

from dataclasses import dataclass

from stilts_utils.tasks.entry import SHAPES

INTERMEDIATE, TARGET = "intermediate", "target"  # phases
CLASSES = ("pair", "choice")  # shapes of rows with one class or choice


@dataclass(frozen=True)
class Method:
    """A way to spend the steps of an arm.

    In the phase `intermediate` it trains the encoder before any target is seen, on the arm's `tasks` if it has any. In the
    phase `target` it goes on with a target that was fine-tuned from the pretrained encoder, for the arm's duration and on
    the target's own rows: the duration-matched control is then the same without the method. `shapes`: of the tasks, or of
    the targets, that it can train. `module`: of `training.methods`. `fields`: those of `settings.Arm` that it reads, and
    that no other method takes. `says` what it does, and `source` who did so first. `languages`: whether it needs those of
    the arm, though it has no tasks. `packages`: that it alone needs, which are in the identity of its arms.
    """

    name: str
    phase: str
    module: str
    says: str
    source: str = ""
    fields: tuple[str, ...] = ()
    tasks: bool = True
    shapes: tuple[str, ...] = SHAPES
    languages: bool = False
    packages: tuple[str, ...] = ()

    def __post_init__(self):
        if self.phase not in (INTERMEDIATE, TARGET):
            raise ValueError(f"method {self.name}: phase is {self.phase!r}, allowed: {INTERMEDIATE}, {TARGET}")
        if not set(self.shapes) <= set(SHAPES):
            raise ValueError(f"method {self.name}: shapes is {self.shapes}, allowed: some of {', '.join(SHAPES)}")
        if self.tasks and self.phase == TARGET:
            raise ValueError(f"method {self.name}: tasks is True, allowed: False in phase {TARGET}")


HUANG = "Huang et al. (2021), arXiv 2104.08645"
PHANG = "Phang et al. (2020), arXiv 2005.13013"
NGUGI = "Ngugi (2025), arXiv 2506.15415"
SUPERVISED = "supervised"

METHODS = {
    method.name: method
    for method in (
        Method(
            SUPERVISED,
            INTERMEDIATE,
            "supervised",
            says="every step is one of an intermediate task, or of several that are mixed",
            source=PHANG,
        ),
        Method(
            "mlm",
            INTERMEDIATE,
            "mlm",
            says="masked language modelling on multilingual text takes a share of the steps, the tasks the others",
            source=PHANG,
            fields=("mlm",),
        ),
        Method(
            "mlm_alone",
            INTERMEDIATE,
            "mlm",
            says="every step is one of masked language modelling: the control of `mlm` without a task",
            tasks=False,
        ),
        Method(
            "adversarial",
            TARGET,
            "adversarial",
            says="the worst perturbation of the word embeddings within a ball, as gradient ascent finds it",
            source=HUANG,
            fields=("radius", "ascents"),
            tasks=False,
            shapes=CLASSES,
        ),
        Method(
            "random_perturbation",
            TARGET,
            "smoothing",
            says="a random perturbation of the word embeddings within a ball (RS-RP)",
            source=HUANG,
            fields=("radius",),
            tasks=False,
            shapes=CLASSES,
        ),
        Method(
            "synonyms",
            TARGET,
            "smoothing",
            says="every token is drawn anew from itself and its neighbours in the encoder's own embedding table (RS-DA)",
            source=HUANG,
            fields=("neighbours", "similarity"),
            tasks=False,
            shapes=CLASSES,
        ),
        Method(
            "lexical_injection",
            INTERMEDIATE,
            "lexical",
            says="adapters pull an English word and its translation together in an early layer, by a triplet loss",
            source=NGUGI,
            fields=("shuffled", "layer", "margin"),
            tasks=False,
            languages=True,
            packages=("peft",),
        ),
    )
}
