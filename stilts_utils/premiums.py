"""Summaries of the table `fertility`: tokens per word and relative to English. No torch."""

import pandas as pd

ENGLISH = "en"


def by_language(tokens: pd.DataFrame) -> pd.DataFrame:
    """Per language: tokens per word and character, unknown share, and tokens relative to English on the same messages.

    The relative number is the premium of Petrov et al. (2023), NaN where the texts have no English counterpart. Words
    are whitespace words, or the words of a tagged text; 0 tokens per word where the script does not separate them.
    """
    english = tokens[tokens.language == ENGLISH].set_index("item").tokens
    rows = []
    for language, found in tokens.groupby("language"):
        words = found.words.sum()
        rows.append(
            {
                "language": language,
                "messages": len(found),
                "premium": found.tokens.sum() / english.reindex(found.item).sum(min_count=len(found)),
                "tokens_per_word": found.tokens.sum() / words if words else 0.0,
                "tokens_per_character": found.tokens.sum() / found.characters.sum(),
                "unknown_share": found.unknown.sum() / found.tokens.sum(),
            }
        )
    return pd.DataFrame(rows).sort_values("premium", ignore_index=True)
