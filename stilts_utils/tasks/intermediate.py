"""Entries of the nine English intermediate tasks of Phang et al. (2020), as the hub has them."""

from stilts_utils.tasks.entry import HubRows, Task
from stilts_utils.tasks.floor import Floor

ENGLISH = {"en": "en"}

NLI_LABELS = ("entailment", "neutral", "contradiction")
NLI = {"text_a": "premise", "text_b": "hypothesis", "label": "label"}
QA = {"id": "id", "context": "context", "question": "question", "answers": "answers"}
COMMONSENSE_QA = {"id": "id", "question": "question", "choices": "choices.text", "label": "answerKey"}
COSMOS_QA = {
    "id": "id",
    "question": "{context} {question}",
    "choices": ("answer0", "answer1", "answer2", "answer3"),
    "label": "label",
}
HELLASWAG = {"question": "ctx", "choices": "endings", "label": "label"}
QQP = {"text_a": "question1", "text_b": "question2", "label": "label"}
CCG = {"tokens": "tokens", "tags": "tags"}

# Rows on which annotators did not agree are labelled -1: so the cards of MNLI and SNLI.
DISPUTED = ("unlabelled",)
MNLI_TRAIN = HubRows("nyu-mll/multi_nli", "default", "train", NLI, flaws=DISPUTED)
MNLI_VALIDATION = HubRows("nyu-mll/multi_nli", "default", "validation_matched", NLI, flaws=DISPUTED)
SNLI_TRAIN = HubRows("stanfordnlp/snli", "plain_text", "train", NLI, flaws=DISPUTED)
ANLI_TRAIN = tuple(HubRows("facebook/anli", "plain_text", f"train_r{i}", NLI | {"id": "uid"}) for i in (1, 2, 3))
SQUAD_TRAIN = HubRows("rajpurkar/squad", "plain_text", "train", QA)
SQUAD_VALIDATION = HubRows("rajpurkar/squad", "plain_text", "validation", QA)

INTERMEDIATE = (
    Task(
        "anli_plus",
        shape="pair",
        category="classification",
        metric="accuracy",
        roles=("intermediate",),
        asks="does a premise entail, leave open or contradict a hypothesis written to mislead a model?",
        labels=NLI_LABELS,
        train=((*ANLI_TRAIN, MNLI_TRAIN, SNLI_TRAIN),),
        validation=HubRows("facebook/anli", "plain_text", "dev_r3", NLI | {"id": "uid"}),
        languages=ENGLISH,
        max_length=128,
        licence="ANLI CC BY-NC 4.0, SNLI CC BY-SA 4.0, MNLI as its sources (OANC and others)",
        floor=Floor(40, 34.6, "The rows are written to mislead, and large encoders stay below 50."),
    ),
    Task(
        "mnli",
        shape="pair",
        category="classification",
        metric="accuracy",
        roles=("intermediate",),
        asks="does a premise entail, leave open or contradict a hypothesis?",
        labels=NLI_LABELS,
        train=((MNLI_TRAIN,),),
        validation=MNLI_VALIDATION,
        languages=ENGLISH,
        max_length=128,
        licence="as its sources (OANC and others)",
        floor=Floor(55, 41.6, "A third of the way from the best shortcut to the scores of large encoders."),
    ),
    Task(
        "qqp",
        shape="pair",
        category="classification",
        metric="accuracy",
        roles=("intermediate",),
        asks="do two questions ask the same thing?",
        labels=("not_duplicate", "duplicate"),
        train=((HubRows("nyu-mll/glue", "qqp", "train", QQP),),),
        validation=HubRows("nyu-mll/glue", "qqp", "validation", QQP),
        languages=ENGLISH,
        max_length=128,
        licence="Quora's terms of service, non-commercial",
        floor=Floor(77, 71.1, "Duplicates share words, so that their overlap tells most of them."),
    ),
    Task(
        "squad",
        shape="span",
        category="question answering",
        metric="qa_f1",
        also=("exact_match",),
        roles=("intermediate",),
        asks="which span of a paragraph answers a question?",
        train=((SQUAD_TRAIN,),),
        validation=SQUAD_VALIDATION,
        languages=ENGLISH,
        max_length=384,
        licence="CC BY-SA 4.0",
        floor=Floor(50, 18.8, "Half of an answer's words found, which no shortcut comes near."),
    ),
    Task(
        "squad2",
        shape="span",
        category="question answering",
        metric="qa_f1",
        also=("exact_match",),
        unanswerable=True,
        roles=("intermediate",),
        asks="which span of a paragraph, if any, answers a question?",
        train=((HubRows("rajpurkar/squad_v2", "squad_v2", "train", QA),),),
        validation=HubRows("rajpurkar/squad_v2", "squad_v2", "validation", QA),
        languages=ENGLISH,
        max_length=384,
        licence="CC BY-SA 4.0",
        floor=Floor(56, 50.1, "Half of the questions of the development set have no answer."),
    ),
    Task(
        "hellaswag",
        shape="choice",
        category="classification",
        metric="accuracy",
        roles=("intermediate",),
        asks="which of four endings continues a description?",
        train=((HubRows("Rowan/hellaswag", "default", "train", HELLASWAG, classes=("0", "1", "2", "3")),),),
        validation=HubRows("Rowan/hellaswag", "default", "validation", HELLASWAG, classes=("0", "1", "2", "3")),
        languages=ENGLISH,
        max_length=128,
        licence="MIT",
        floor=Floor(38, 32.5, "Small encoders learn little here, and less would be chance."),
    ),
    Task(  # CCGbank is licensed and on no hub: the user's folder brings its tags
        "ccg",
        shape="tagging",
        category="structured prediction",
        metric="token_accuracy",
        roles=("intermediate",),
        asks="which combinatory category has every token?",
        train=((HubRows("ccgbank", "default", "train", CCG),),),
        validation=HubRows("ccgbank", "default", "validation", CCG),
        languages=ENGLISH,
        max_length=128,
        licence="LDC user agreement (LDC2005T13)",
        folder_only=True,
        floor=Floor(
            85,
            75,
            "The commonest category of a word is taken to be right for three quarters; a licensed set was not measured.",
        ),
    ),
    Task(
        "cosmosqa",
        shape="choice",
        category="classification",
        metric="accuracy",
        roles=("intermediate",),
        asks="which of four answers follows from reading between the lines of a narrative?",
        train=((HubRows("allenai/cosmos_qa", "default", "train", COSMOS_QA),),),
        validation=HubRows("allenai/cosmos_qa", "default", "validation", COSMOS_QA),
        languages=ENGLISH,
        max_length=256,
        licence="CC BY 4.0",
        floor=Floor(45, 39.3, "Wording alone tells some of the wrong answers."),
    ),
    Task(
        "commonsenseqa",
        shape="choice",
        category="classification",
        metric="accuracy",
        roles=("intermediate",),
        asks="which of five answers does common sense give?",
        train=((HubRows("tau/commonsense_qa", "default", "train", COMMONSENSE_QA, classes=tuple("ABCDE")),),),
        validation=HubRows("tau/commonsense_qa", "default", "validation", COMMONSENSE_QA, classes=tuple("ABCDE")),
        languages=ENGLISH,
        max_length=128,
        licence="MIT",
        floor=Floor(30, 20.6, "Small encoders learn little here, and less would be chance."),
    ),
)
