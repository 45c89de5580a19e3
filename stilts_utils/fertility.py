"""Tokens that the same messages need in every language: a property of the tokenizer that no training changes."""

import pandas as pd

from stilts_utils import sources
from stilts_utils.phases import TRAINING_LANGUAGE, Session

PARALLEL = "retr_bitext"  # messages with their English original
UNSPACED = ("zh", "ja", "th", "my")  # scripts that do not separate words


def count(session: Session) -> pd.DataFrame:
    """Rows of the table `fertility`: every parallel message in every language of the study, and in English."""
    study = session.study
    texts: dict[tuple[str, str], str] = {}
    for language in study.languages:
        if language not in sources.languages(PARALLEL, study.source):
            continue
        for row in sources.load(PARALLEL, language, "test", source=study.source):
            texts[language, row["target_id"]] = row["query"]
            texts[TRAINING_LANGUAGE, row["target_id"]] = row["target"]
    tokenizer = session.encoder.tokenizer
    ids = tokenizer(list(texts.values()), add_special_tokens=False)["input_ids"]
    return pd.DataFrame(
        {
            "task": PARALLEL,
            "language": language,
            "item": item,
            "words": 0 if language in UNSPACED else len(text.split()),
            "characters": len(text),
            "tokens": len(found),
            "unknown": found.count(tokenizer.unk_token_id),
        }
        for ((language, item), text), found in zip(texts.items(), ids, strict=True)
    )
