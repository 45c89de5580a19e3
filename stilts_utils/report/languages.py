"""English names and families of the languages that a study can have, for tables and figures.

Families are those of Glottolog; Indo-European, which has nearly half of the languages, is split into its branches.
"""

from collections.abc import Iterable

FAMILIES = {
    "Germanic": {"af": "Afrikaans", "de": "German", "en": "English", "nl": "Dutch"},
    "Romance": {
        "es": "Spanish",
        "fr": "French",
        "ht": "Haitian Creole",
        "it": "Italian",
        "pt": "Portuguese",
        "ro": "Romanian",
    },
    "Balto-Slavic": {"bg": "Bulgarian", "lt": "Lithuanian", "pl": "Polish", "ru": "Russian", "uk": "Ukrainian"},
    "Greek": {"el": "Greek"},
    "Indo-Iranian": {
        "bn": "Bengali",
        "fa": "Persian",
        "gu": "Gujarati",
        "hi": "Hindi",
        "mr": "Marathi",
        "pa": "Punjabi",
        "ur": "Urdu",
    },
    "Uralic": {"et": "Estonian", "fi": "Finnish", "hu": "Hungarian"},
    "Turkic": {"az": "Azerbaijani", "kk": "Kazakh", "tr": "Turkish"},
    "Afro-Asiatic": {"ar": "Arabic", "he": "Hebrew"},
    "Atlantic-Congo": {"sw": "Swahili", "wo": "Wolof", "yo": "Yoruba"},
    "Austronesian": {"id": "Indonesian", "jv": "Javanese", "ms": "Malay", "tl": "Tagalog"},
    "Dravidian": {"ml": "Malayalam", "ta": "Tamil", "te": "Telugu"},
    "Sino-Tibetan": {"my": "Burmese", "zh": "Chinese"},
    "Austroasiatic": {"vi": "Vietnamese"},
    "Basque": {"eu": "Basque"},
    "Japonic": {"ja": "Japanese"},
    "Kartvelian": {"ka": "Georgian"},
    "Koreanic": {"ko": "Korean"},
    "Quechuan": {"qu": "Quechua"},
    "Tai-Kadai": {"th": "Thai"},
}
NAMES = {code: name for members in FAMILIES.values() for code, name in members.items()}
OTHERS = "Others"


def name(code: str) -> str:
    """The English name of a language: `sw` -> `Swahili`. A code that is not known names itself."""
    return NAMES.get(code, code)


def named(code: str) -> str:
    """The name with its code: `Swahili (sw)`. A code that is not known stands alone."""
    return f"{NAMES[code]} ({code})" if code in NAMES else code


def grouped(codes: Iterable[str]) -> dict[str, list[str]]:
    """Family -> its languages among `codes`, both in the order above; those alone in their family are `OTHERS`, last."""
    codes = set(codes)
    families = {family: [code for code in members if code in codes] for family, members in FAMILIES.items()}
    groups = {family: members for family, members in families.items() if len(members) > 1}
    alone = codes - {code for members in groups.values() for code in members}
    return groups | ({OTHERS: sorted(alone)} if alone else {})
