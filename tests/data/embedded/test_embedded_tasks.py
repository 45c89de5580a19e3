"""What the rows of each task mean, and the shortcuts that once gave their answers away."""

import datetime
import re
from collections import Counter, defaultdict
from itertools import combinations
from random import Random

import pytest

from stilts_utils.data import embedded
from stilts_utils.data.embedded import choices, pairs, retrieval, spans, tagging
from stilts_utils.data.embedded.material import continuations, world
from stilts_utils.data.embedded.material import text as data_embedded_material_text
from stilts_utils.data.embedded.material.locales import FIELD_KINDS, date, date_pieces, number
from stilts_utils.data.embedded.material.splits import SPLITS


def date_of(row: dict) -> datetime.date:
    return datetime.date.fromisoformat(row["id"].split("#")[0])


def rows(task, language="en", split="test", limit=300):
    return embedded.rows(task, language, split, limit=limit)


# Pairs


def test_temprel_labels_are_true():
    for row in rows("temprel"):
        a, b = (re.fullmatch(r"([+-]\d+)(\w+)", part) for part in row["id"].split("#")[0].split("|"))
        difference = int(a[1]) * pairs.SECONDS[a[2]] - int(b[1]) * pairs.SECONDS[b[2]]
        assert row["label"] == ("same" if difference == 0 else "earlier" if difference < 0 else "later")


def test_units_are_equal_by_definition():
    for (fine, coarse), n in pairs.EQUAL.items():
        assert n * pairs.SECONDS[fine] == pairs.SECONDS[coarse]


def test_temprel_has_no_languages_with_root_forms():
    assert "yo" not in embedded.languages("temprel") and "wo" in embedded.languages("temprel")


@pytest.mark.parametrize("direction", ["same", "earlier", "later"])
def test_temprel_numbers_do_not_give_away_what_is_same(direction):
    """A pair of units whose ratio is exact occurs under every label."""
    found = Counter()
    for row in rows("temprel", split="train", limit=900):
        units = tuple(sorted(re.findall(r"[a-z]+", row["id"])))
        found[row["label"]] += units in {tuple(sorted(pair)) for pair in pairs.EQUAL}
    assert found[direction] > 150


def _meeting(bound: str, n: int) -> set[int]:
    """The numbers that meet a bound."""
    return {x for x in range(102) if (x <= n if bound == "at most" else x >= n)}


def test_nli_num_labels_are_true():
    opposite = {"at most": "at least", "at least": "at most"}
    for row in rows("nli_num"):
        premise, hypothesis = row["id"].split("#")[0].split("|")
        kind, a = premise.split(":")
        bound, b = hypothesis.split(":")
        right = _meeting(bound, int(b))
        left = {int(a)} if kind == "value" else _meeting(bound if kind == "same" else opposite[bound], int(a))
        truth = "entailment" if left <= right else "contradiction" if left.isdisjoint(right) else "neutral"
        assert row["label"] == truth
        assert (row["text_a"] == number("en", int(a))) == (kind == "value")


def test_nli_num_kind_of_premise_leaves_two_labels_open():
    labels = defaultdict(Counter)
    for row in rows("nli_num", split="train", limit=3000):
        labels[row["id"].split(":")[0]][row["label"]] += 1
    for counts in labels.values():
        assert len(counts) == 2 and max(counts.values()) < 0.56 * counts.total()


def test_nli_num_needs_two_different_bounds(monkeypatch):
    monkeypatch.setattr(pairs, "translate", lambda msgid, language: "at most %(limit_value)s")
    pairs._limits.cache_clear()
    assert pairs._limits("de") is None
    pairs._limits.cache_clear()


def test_paws_easy_labels_are_true_and_styles_differ():
    for language in ("en", "zh", "fi"):
        for row in rows("paws_easy", language):
            first, second = row["id"].split("#")[0].split("|")
            assert row["label"] == ("same" if first == second else "different")
            assert first[:4] == second[:4]


@pytest.mark.parametrize("language", ["en", "fi", "zh", "ja"])
def test_paws_easy_styles_do_not_give_the_label_away(language):
    """Where two styles coincide, such as medium and long in May, the pair is left out under both labels."""
    labels = defaultdict(Counter)
    for row in rows("paws_easy", language, split="train", limit=2000):
        first, second = (datetime.date.fromisoformat(day) for day in row["id"].split("#")[0].split("|"))
        style_a = next(style for style in pairs.STYLES if date(language, first, style) == row["text_a"])
        style_b = next(style for style in pairs.STYLES if date(language, second, style) == row["text_b"])
        labels[style_a, style_b][row["label"]] += 1
    for counts in labels.values():
        assert counts.total() < 100 or abs(counts["same"] / counts.total() - 0.5) < 0.1


# Choices


@pytest.mark.parametrize("language", ["en", "sw", "zh"])
def test_mc_facts_has_one_right_choice(language):
    for row in rows("mc_facts", language):
        relation, code = row["id"].split("#")[0].split(":")
        fact = world.facts()[code][relation]
        accepted = {world.name(language, relation, value) for value in fact.accepted}
        assert row["question"] == world.name(language, "territory", code)
        assert row["choices"][row["label"]] == world.name(language, relation, fact.value)
        assert [choice in accepted for choice in row["choices"]].count(True) == 1


def test_mc_facts_choices_give_nothing_away_without_the_question():
    """The share of its occurrences in which a choice is right does not depend on how common it is."""
    right, shown = Counter(), Counter()
    for row in rows("mc_facts", split="train", limit=3000):
        right[row["choices"][row["label"]]] += 1
        shown.update(row["choices"])
    assert all(right[choice] for choice in shown)
    common = [choice for choice, _ in shown.most_common(10)]
    assert 0.15 < sum(right[c] for c in common) / sum(shown[c] for c in common) < 0.35


def test_mc_facts_answers_do_not_overlap_with_the_question():
    for row in rows("mc_facts", "de"):
        for choice in row["choices"]:
            assert data_embedded_material_text.overlap(row["question"], choice, "de") <= choices.MOST_OVERLAP


def test_mc_continue_is_trained_on_english_prose_alone():
    """No training row, of any seed, says nearly what a message says: those are evaluated, here and in `retr_qa`."""
    assert embedded.splits("mc_continue") == SPLITS and embedded.splits("mc_continue", "de") == SPLITS[1:]
    messages = [part for parts in continuations.sentences("en").values() for part in parts]
    for part in (part for parts in continuations.prose().values() for part in parts):
        assert all(data_embedded_material_text.overlap(part, message, "en") <= 0.9 for message in messages)


def test_mc_continue_choices_of_one_split_differ_and_one_follows_the_question():
    for language in ("en", "zh", "ru"):
        of_split = []
        for split in SPLITS[1:]:
            followed = {begins: goes_on for _, begins, goes_on in choices._continued(language, split)}
            for row in rows("mc_continue", language, split=split):
                assert row["choices"][row["label"]] == followed[row["question"]]
                assert set(row["choices"]) <= set(followed.values())
            of_split.append(set(followed))
        assert of_split[0].isdisjoint(of_split[1])


def test_mc_continue_evaluates_a_message_a_few_times():
    times = Counter(row["id"].rsplit("|", 1)[0] for row in rows("mc_continue", limit=None))
    assert set(times.values()) <= set(range(1, choices.TIMES + 1))


def test_mc_continue_choices_give_little_away_without_the_question():
    right, shown = Counter(), Counter()
    for row in rows("mc_continue", split="train", limit=5000):
        right[row["choices"][row["label"]]] += 1
        shown.update(row["choices"])
    common = [choice for choice, _ in shown.most_common(len(shown) // 10)]
    assert 0.15 < sum(right[c] for c in common) / sum(shown[c] for c in common) < 0.35


# Tagging


def test_dtag_knows_every_field_of_every_date_pattern():
    seen = set()
    for language in embedded.languages("dtag"):
        for row in rows("dtag", language, limit=30):
            seen |= {tag[2:] for tag in row["tags"] if tag != "O"}
    assert seen == {kind for kind in FIELD_KINDS.values() if kind} | {"NUM", "UNIT"}


def test_dtag_known_answer():
    sentence = [("Monday", "WDAY"), (", ", None), ("5", "DAY"), ("km", "UNIT"), ("x", None)]
    found = tagging.tagged(sentence, "en")
    assert found["tokens"] == ["Monday", ",", "5", "kmx"]
    assert found["tags"] == ["B-WDAY", "O", "B-DAY", "B-UNIT"]
    found = tagging.tagged([("ab", "WDAY"), ("c", "MONTH"), ("d", None)], "zh")
    assert found["tokens"] == list("abcd") and found["tags"] == ["B-WDAY", "I-WDAY", "B-MONTH", "O"]


def test_a_prefix_stays_with_its_entity():
    assert tagging.tagged([("x", None), ("Monday", "WDAY")], "he") == {"tokens": ["xMonday"], "tags": ["B-WDAY"]}


@pytest.mark.parametrize("language", ["en", "de", "zh", "sw"])
def test_ner_slots_do_not_give_the_kind_away(language):
    """Every kind is in every sentence, in shares that do not depend on it."""
    kinds = defaultdict(Counter)
    for row in rows("ner_slots", language, split="train", limit=3000):
        kinds[row["id"].split("|")[0]].update(tag[2:] for tag in row["tags"] if tag[0] == "B")
    for counts in kinds.values():
        assert set(counts) == {"PER", "LOC", "DATE", "LANG", "CUR"}
        assert 0.2 < counts["LOC"] / counts.total() < 0.47


def test_ner_slots_has_no_persons_where_there_are_no_names_of_them():
    assert not world.has_people("ur") and "ur" in embedded.languages("ner_slots")
    assert not any("PER" in tag for row in rows("ner_slots", "ur") for tag in row["tags"])


# Spans


def test_qa_log_leaves_out_languages_whose_reports_read_the_same():
    # Django's Arabic reports a change in the words of an addition.
    assert spans._log("ar") is None and "ar" not in embedded.languages("qa_log")
    assert spans._log("de") is not None


def test_qa_log_skips_reports_that_glue_the_entity_to_the_noun():
    assert spans._log("sw") is not None
    for row in rows("qa_log", "sw", limit=60):
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            assert not row["context"][start - 1].isalnum() and not row["context"][start + len(text)].isalnum()


def test_qa_log_answer_is_the_object_of_the_asked_action():
    verbs = {"add": "added", "change": "changed", "delete": "deleted"}
    for row in rows("qa_log"):
        action = row["id"].split("|")[0]
        kind = re.sub(r"^(Add|Change|Delete selected) ", "", row["question"])
        found = re.findall(rf"The {kind} “([^”]*)” was {verbs[action]} successfully\.", row["context"])
        assert found == row["answers"]["text"]


def test_qa_log_decoys_are_named_like_the_question_and_never_right():
    found = rows("qa_log", limit=400)
    decoys = [row for row in found if row["question"] in row["context"]]
    assert 0.4 < len(decoys) / len(found) < 0.6
    assert not any(row["question"] in row["answers"]["text"] for row in found)
    unanswerable = [row for row in found if not row["answers"]["text"]]
    assert 0.35 < sum(row in decoys for row in unanswerable) / len(unanswerable) < 0.65


@pytest.mark.parametrize("language", ["en", "wo", "ja"])
def test_qa_facts_question_fits_the_answer_alone(language):
    for row in rows("qa_facts", language, limit=60):
        relation, asked, *listed = row["id"].split("#")[0].split("|")
        value = world.facts()[asked][relation].value
        assert row["question"] == world.name(language, relation, value)
        fitting = [code for code in listed if value in world.facts()[code][relation].accepted]
        assert fitting == ([asked] if row["answers"]["text"] else [])
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            place = world.name(language, "territory", asked)
            assert row["context"][start + len(text) :].startswith(f" ({place})")


def test_qa_parts_skips_numbers_that_are_part_of_a_word():
    # Two hours are one word in Hebrew and in Arabic.
    for language in ("he", "ar"):
        assert len(rows("qa_parts", language, split="train", limit=1000)) == 1000


@pytest.mark.parametrize("language", ["en", "de", "zh", "ja"])
def test_qa_parts_answer_is_a_part_of_the_date_or_an_amount(language):
    for row in rows("qa_parts", language, limit=100):
        asked = next(unit for unit, text in spans._unit_names(language).items() if text == row["question"])
        for text in row["answers"]["text"]:
            if asked in spans.DATE_UNITS.values():
                kind = next(kind for kind, unit in spans.DATE_UNITS.items() if unit == asked)
                day = date_of(row)
                styles = [date_pieces(language, day, style) for style in spans.STYLES]
                assert (text, kind) in [piece for pieces in styles for piece in pieces]
            else:
                assert text.isdecimal() and row["context"].count(text) >= 1


# Retrieval


@pytest.mark.parametrize("task", embedded.LISTED)
def test_every_query_has_one_right_candidate_in_its_language(task):
    for language in embedded.languages(task):
        found = rows(task, language, limit=None)
        texts = {row["id"]: row["text"] for row in embedded.candidates(task, language)}
        assert len(texts) == len(set(texts.values())) == len(found)
        assert [sorted(texts.keys() & set(row["right"])) for row in found] == [[candidate] for candidate in texts]
        assert len({row["query"] for row in found}) == len(found)


def test_retr_qa_is_right_in_every_language_that_has_the_message():
    """The right candidates of a query are those of the same message, whatever the language of the query."""
    candidates = {
        row["id"]: row for each in embedded.languages("retr_qa") for row in embedded.candidates("retr_qa", each)
    }
    assert len(candidates) == sum(len(rows("retr_qa", each, limit=None)) for each in embedded.languages("retr_qa"))
    right = {}
    for language in embedded.languages("retr_qa"):
        for row in rows("retr_qa", language, limit=None):
            assert set(row["right"]) <= set(candidates) and f"{language}/{row['id']}" in row["right"]
            assert right.setdefault(row["id"], row["right"]) == row["right"]
    assert {each for found in right.values() for each in found} == set(candidates)


def test_bitext_is_of_translated_sentences():
    for language in embedded.languages("retr_bitext"):
        for row in retrieval.retr_bitext(language):
            assert row["query"] != row["text"]
            assert len(retrieval.WORD.findall(row["text"])) >= retrieval.FEWEST_WORDS


def test_bitext_leaves_out_messages_that_share_a_translation(monkeypatch):
    found = {"one two three four": "x", "five six seven eight": "x", "nine ten eleven twelve": "y"}
    monkeypatch.setattr(retrieval, "messages", lambda language: found)
    assert [row["query"] for row in retrieval.retr_bitext("de")] == ["y"]


def test_messages_that_say_nearly_the_same_are_one_item():
    found = continuations.sentences("en")
    for (key, parts), (other, others) in combinations(found.items(), 2):
        assert not continuations._near(parts, others), (key, other)
    # One of four that differ in what was done and in what may be done next.
    assert sum("successfully." in begins for begins, _ in found.values()) <= 1


def test_sentences_that_a_language_counts_otherwise_are_left_out(monkeypatch):
    found = {"One thing. Another thing.": "x. y.", "Some thing. Other thing.": "x"}
    monkeypatch.setattr(continuations, "_texts", lambda language: found if language == "de" else {k: k for k in found})
    assert continuations._parts.__wrapped__("de") == {"One thing. Another thing.": ("x.", "y.")}


def test_prose_is_plain_sentences():
    for begins, goes_on in continuations.prose().values():
        assert not continuations.CODE.search(begins + goes_on)
        assert goes_on[0].isupper() and goes_on[-1] in ".!?"


def test_items_have_the_same_order_in_all_languages():
    orders = [[row["id"] for row in rows("retr_el", language, limit=None)] for language in ("en", "sw", "zh")]
    assert orders[0] == orders[1] == orders[2]


def test_descriptions_are_english_and_queries_name_the_territory():
    (row,) = [row for row in retrieval.retr_el("de") if row["id"] == "JP"]
    assert row["text"] == "Japan | Asia | Japanese Yen | Japanese"
    for language in ("en", "sw", "wo"):
        for row in rows("retr_el", language, limit=None):
            assert world.name(language, "territory", row["id"]) in row["query"]


# Sampling


def test_an_exhausted_generator_stops_and_stays_balanced():
    from stilts_utils.data.embedded.sampling import Generator, draw_rows

    def coin(language: str, split: str, side: str, rng: Random) -> dict | None:
        # One side is rejected nine times in ten, and has three rows only.
        n = rng.randrange(3 if side == "tails" else 100)
        return None if side == "tails" and rng.random() < 0.9 else {"id": f"{side}{n}", "text": n, "side": side}

    found = draw_rows(Generator(coin, ("heads", "tails")), "coin", "en", "test", seed=0, limit=None)
    counts = Counter(row["side"] for row in found)
    assert counts["tails"] == 3 and abs(counts["heads"] - 3) <= 1
