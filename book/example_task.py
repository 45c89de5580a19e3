from stilts_utils.tasks import Floor, HubRows, Task

PAIRS = {"id": "id", "text_a": "sentence1", "text_b": "sentence2", "label": "label"}

PAWSX = Task(
    "pawsx",
    shape="pair",
    category="classification",
    metric="accuracy",
    roles=("target",),
    asks="do two sentences made of the same words mean the same?",
    labels=("different", "same"),
    train=((HubRows("google-research-datasets/paws-x", "en", "train", PAIRS, classes=(0, 1)),),),
    test=HubRows("google-research-datasets/paws-x", "{language}", "test", PAIRS, classes=(0, 1)),
    languages={language: language for language in ("de", "en", "es", "fr", "ja", "ko", "zh")},
    max_length=128,
    licence="free use, with acknowledgement",
    floor=Floor(65, 56, "The commoner label alone is right for 56 of 100 pairs."),
)
