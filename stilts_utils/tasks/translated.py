"""Training sets of intermediate tasks in other languages than English, which hub data sets bring.

Phang et al. (2020) translate SQuAD, HellaSwag and MNLI by machine; those translations are on no hub. What there is: MNLI as the
authors of XNLI (Conneau et al. 2018, section 4) translated it by machine into the other 14 languages, to train on. Generated
tasks need no set: their generator makes the rows of every language.
"""

from stilts_utils.tasks.entry import HubRows

NLI = {"text_a": "premise", "text_b": "hypothesis", "label": "label"}
TRANSLATED: dict[str, tuple[HubRows, tuple[str, ...]]] = {
    "mnli": (
        HubRows("facebook/xnli", "{language}", "train", NLI),
        tuple(["ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]),
    ),
}


def translated(name: str, language: str) -> HubRows | None:
    """The set of a task's training rows in a language other than English, None if there is none."""
    rows, languages = TRANSLATED.get(name, (None, ()))
    return rows.of(language) if rows and language in languages else None
