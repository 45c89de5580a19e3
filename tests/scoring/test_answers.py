import re
import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.scoring.answers import ARTICLES, answer_value, normalise_answer, normalise_mlqa
from stilts_utils.scoring.metrics import score
from stilts_utils.tasks import task

LANGUAGES = ("en", "es", "hi", "vi", "de", "ar", "zh")


def row_of(texts, number=0):
    return {"id": f"i{number}", "answers": {"text": list(texts), "answer_start": [0] * len(texts)}}


# The published definitions, written here in another way: the metrics are checked against these.


def without_words(text, words):
    return "".join(" " if piece in words else piece for piece in re.split(r"\b", text))


def squad_words(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return without_words(text, {"a", "an", "the"}).split()


MLQA_ARTICLES = {
    "en": "a an the",
    "es": "un una unos unas el la los las",
    "vi": "của là cái chiếc những",
    "de": "ein eine einen einem eines einer der die das den dem des",
}


def mlqa_words(text, language):
    def is_punctuation(c):
        return unicodedata.category(c)[0] == "P" or c in string.punctuation

    text = "".join(c for c in text.lower() if not is_punctuation(c))
    text = without_words(text, MLQA_ARTICLES.get(language, "").split())
    if language == "ar":
        text = " ".join(text.split("ال"))
    if language == "zh":
        text = "".join(f" {c} " if "一" <= c <= "龥" else c for c in text)
    return text.split()


def f1_by_removal(found, gold):
    rest, same = list(gold), 0
    for word in found:
        if word in rest:
            rest.remove(word)
            same += 1
    if same == 0:
        return 0.0
    precision, recall = same / len(found), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def reference(words, rows, decided):
    """Exact match and F1, in 0-100, of the best gold answer of every row."""
    exact = f1 = 0
    for row, text in zip(rows, decided, strict=True):
        golds = [words(gold) for gold in row["answers"]["text"]]
        exact += max(words(text) == gold for gold in golds)
        f1 += max(f1_by_removal(words(text), gold) for gold in golds)
    return 100 * exact / len(rows), 100 * f1 / len(rows)


PIECES = (
    *("The", "a", "an", "Paris", "paris!", "U.S.", "«the»", "theatre", "a-b", "2,008", "…", "—", "$5", ""),
    *("el", "Las", "el-la", "der", "Einer", "của", "là", "những người", "القاهرة", "ال", "في القاهرة"),
    *("北京", "北京,", "2008年", "、", "東京", "दिल्ली", "दिल्ली।", "กรุงเทพ"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=4).map(" ".join)
pairs = st.lists(st.tuples(st.lists(texts, min_size=1, max_size=3), texts), min_size=1, max_size=8)


@given(pairs)
@settings(max_examples=200, deadline=None)
def test_squad_scores_are_those_of_the_definition(found):
    rows, decided = [row_of(golds, i) for i, (golds, _) in enumerate(found)], [text for _, text in found]
    exact, f1 = reference(squad_words, rows, decided)
    ours = score(task("xquad"), rows, decided, "ru")
    assert ours["exact_match"] == pytest.approx(exact, abs=1e-6)
    assert ours["qa_f1"] == pytest.approx(f1, abs=1e-6)
    assert ours["squad"] == pytest.approx((exact + f1) / 2, abs=1e-6)
    _, characters = reference(lambda text: list("".join(squad_words(text))), rows, decided)
    assert ours["char_f1"] == pytest.approx(characters, abs=1e-6)


@pytest.mark.parametrize("language", LANGUAGES)
@given(found=pairs)
@settings(max_examples=60, deadline=None)
def test_mlqa_scores_are_those_of_the_definition(language, found):
    rows, decided = [row_of(golds, i) for i, (golds, _) in enumerate(found)], [text for _, text in found]
    exact, f1 = reference(lambda text: mlqa_words(text, language), rows, decided)
    expected = {"mlqa": (exact + f1) / 2, "mlqa_em": exact, "mlqa_f1": f1}
    expected = {name: pytest.approx(value, abs=1e-6) for name, value in expected.items()}
    assert score(task("mlqa"), rows, decided, language) == expected


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Cat!", "cat"),
        ("a-b", "ab"),
        ("An apple, the pear", "apple pear"),
        ("theatre", "theatre"),
        ("U.S.A.", "usa"),
        ("  ", ""),
        ("the", ""),
        ("«Дом»", "«дом»"),  # only ASCII punctuation
        ("der Hund", "der hund"),  # only English articles
    ],
)
def test_answers_normalised_by_squad(text, normal):
    assert normalise_answer(text) == normal


@pytest.mark.parametrize(
    ("language", "text", "normal"),
    [
        ("en", "The “Cat” – a dog", "cat dog"),  # Unicode punctuation
        ("en", "el gato", "el gato"),  # articles of the language alone
        ("es", "Las casas de la calle", "casas de calle"),
        ("vi", "những con mèo là của tôi", "con mèo tôi"),
        ("de", "Der Hund des Mannes", "hund mannes"),
        ("ar", "القاهرة", "قاهرة"),
        ("ar", "في القاهرة، والمدينة", "في قاهرة و مدينة"),  # the article within a word, too
        ("hi", "दिल्ली।", "दिल्ली"),
        ("zh", "北京2008年", "北 京 2008 年"),  # Chinese by character, the rest by word
        ("zh", "the 《北京》 abc def", "the 北 京 abc def"),
    ],
)
def test_answers_normalised_by_mlqa(language, text, normal):
    assert normalise_mlqa(text, language) == normal


def test_mlqa_knows_its_languages_alone():
    assert set(ARTICLES) == set(LANGUAGES) == set(task("mlqa").languages)
    with pytest.raises(
        ValueError, match="language is 'ru', allowed for the metrics of MLQA: en, es, vi, de, ar, hi, zh"
    ):
        score(task("mlqa"), [row_of(["x"])], ["x"], "ru")


@pytest.mark.parametrize(
    ("found", "gold", "exact", "f1"),
    [
        ("the Eiffel Tower", "Eiffel tower.", 1, 1),
        ("Eiffel Tower in Paris", "Eiffel Tower", 0, 2 * 2 / (4 + 2)),
        ("new new york", "new york", 0, 2 * 2 / (3 + 2)),  # words are counted, not only present
        ("Rome", "Paris", 0, 0),
        ("", "Paris", 0, 0),
        ("!", "Paris", 0, 0),
    ],
)
@pytest.mark.parametrize("name", ["squad", "squad2"])
def test_answers_with_a_known_score(name, found, gold, exact, f1):
    assert score(task(name), [row_of([gold])], [found], "en") == pytest.approx(
        {"qa_f1": 100 * f1, "exact_match": 100 * exact}
    )


@pytest.mark.parametrize(
    ("name", "found", "golds", "exact", "f1"),
    [
        ("squad", "the", ["a"], 1, 0),  # SQuAD v1.1 counts common words, of which there are none
        ("squad2", "", [], 1, 1),
        ("squad2", "the", [], 1, 1),
        ("squad2", "Rome", [], 0, 0),
        ("squad2", "", ["the", "Rome"], 0, 0),  # a gold answer of nothing does not count beside others
        ("squad2", "", ["the"], 1, 1),
    ],
)
def test_answers_that_normalise_to_nothing(name, found, golds, exact, f1):
    values = [answer_value(metric, task(name), row_of(golds), found, "en") for metric in ("exact_match", "qa_f1")]
    assert values == [exact, f1]


@pytest.mark.parametrize(
    ("found", "gold", "words", "characters"),
    [
        ("東京都", "東京", 0, 2 * 2 / (3 + 2)),  # without spaces, F1 over words is the exact match
        ("กรุงเทพ", "กรุง", 0, 2 * 4 / (7 + 4)),
        ("new york", "york new", 1, 1),
        ("ab c", "abc", 0, 1),  # whitespace is no character
    ],
)
def test_f1_over_characters(found, gold, words, characters):
    ours = score(task("xquad"), [row_of([gold])], [found], "th")
    assert ours["qa_f1"] == pytest.approx(100 * words)
    assert ours["char_f1"] == pytest.approx(100 * characters)


def test_the_best_of_several_answers_counts():
    rows = [row_of(["Rome", "the city of Rome"])]
    assert score(task("qa_parts"), rows, ["City of Rome"], "en") == {"exact_match": 100, "qa_f1": 100}
    assert score(task("qa_parts"), rows, ["city Rome"], "en")["qa_f1"] == pytest.approx(100 * 2 * 2 / (2 + 3))


def test_a_row_without_the_answer_that_its_task_promises():
    with pytest.raises(ValueError, match="row i7: answers is empty, allowed for xquad: one or more"):
        score(task("xquad"), [row_of([], 7)], [""], "en")
