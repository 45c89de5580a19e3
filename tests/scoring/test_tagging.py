import dataclasses
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from sklearn import metrics

from stilts_utils.scoring.metrics import score, score_items
from stilts_utils.tasks import task

UDPOS, PANX = task("udpos"), task("panx")


def rows_of(entry, sentences):
    """Rows from sentences of gold tag names."""
    return [
        {"id": f"i{i}", "tokens": ["w"] * len(tags), "tags": [entry.labels.index(tag) for tag in tags]}
        for i, tags in enumerate(sentences)
    ]


def scored(entry, gold, found):
    return score(entry, rows_of(entry, gold), found, "en")


def sentences(entry, also=()):
    pair = st.tuples(st.sampled_from(entry.labels), st.sampled_from([*entry.labels, *also]))
    return st.lists(st.lists(pair, min_size=1, max_size=8), min_size=1, max_size=8)


def sides(found):
    return ([[pair[side] for pair in sentence] for sentence in found] for side in (0, 1))


@pytest.mark.parametrize("entry", [UDPOS, PANX], ids=lambda entry: entry.name)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_entity_f1_is_that_of_seqeval(entry, data):
    gold, found = sides(data.draw(sentences(entry, also=["O"])))  # O: a word that the length limit cut
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = 100 * f1_score(gold, found, zero_division=0)
    assert scored(entry, gold, found)["f1"] == pytest.approx(expected, abs=1e-6)


@given(sentences(UDPOS))
@settings(max_examples=60, deadline=None)
def test_scores_of_words_are_those_of_scikit_learn(found):
    gold, found = sides(found)
    flat = [[tag for sentence in side for tag in sentence] for side in (gold, found)]
    ours = scored(UDPOS, gold, found)
    assert ours["token_accuracy"] == pytest.approx(100 * metrics.accuracy_score(*flat), abs=1e-6)
    report = metrics.classification_report(*flat, output_dict=True, zero_division=0)
    present = [report[tag]["f1-score"] for tag in set(flat[0])]
    assert ours["macro_f1"] == pytest.approx(100 * sum(present) / len(present), abs=1e-6)


@pytest.mark.parametrize(
    ("gold", "found", "f1", "accuracy"),
    [
        ("CCONJ NOUN", "SCONJ NOUN", 100, 50),  # the first character goes: both are CONJ
        ("AUX NOUN", "VERB NOUN", 50, 50),
        ("NOUN NOUN", "NOUN VERB", 0, 50),  # two equal neighbours are one chunk, of which half is nothing
        ("NOUN NOUN VERB", "NOUN NOUN NOUN", 0, 200 / 3),
        ("SYM SYM", "SYM NOUN", 50, 50),  # but S begins a chunk: two of gold, two found, one in common
        ("NOUN X", "NOUN VERB", 200 / 3, 50),  # X at the end is no chunk: of one and two, one in common
    ],
)
def test_the_quirks_of_bare_tags(gold, found, f1, accuracy):
    ours = scored(UDPOS, [gold.split()], [found.split()])
    assert ours["f1"] == pytest.approx(f1)
    assert ours["token_accuracy"] == pytest.approx(accuracy)


def test_macro_f1_by_hand():
    ours = scored(UDPOS, [["NOUN", "NOUN", "VERB"], ["ADJ"]], [["NOUN", "VERB", "VERB"], ["NUM"]])
    assert ours["macro_f1"] == pytest.approx(100 * (2 / 3 + 2 / 3 + 0) / 3)  # NUM is not in gold


def test_entities_by_hand():
    gold, found = [["B-PER", "O", "B-LOC", "I-LOC"], ["B-PER", "O"]], [["B-PER", "O", "B-LOC", "O"], ["O", "B-PER"]]
    assert scored(PANX, gold, found)["f1"] == pytest.approx(100 / 3)  # one of three found, three said
    items = score_items(PANX, rows_of(PANX, gold), found, "en")
    assert items[["item", "numerator", "denominator"]].to_numpy().tolist() == [["i0", 2, 4], ["i1", 0, 2]]


@given(sentences(UDPOS), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_rows_are_scored_in_the_order_of_their_file(found, random):
    """Ids of sets without ids of their own are row numbers; evaluation rows come shuffled."""
    gold, decided = map(list, sides(found))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        official = 100 * f1_score(gold, decided, zero_division=0)
    rows = [row | {"id": str(i)} for i, row in enumerate(rows_of(UDPOS, gold))]
    order = random.sample(range(len(rows)), len(rows))
    shuffled = [rows[i] for i in order], [decided[i] for i in order]
    assert score(UDPOS, *shuffled, "en")["f1"] == pytest.approx(official, abs=1e-6)
    items, in_order = (
        score_items(UDPOS, *these, "en").query("metric == 'f1'") for these in (shuffled, (rows, decided))
    )
    assert items.sort_values("item").numerator.tolist() == in_order.sort_values("item").numerator.tolist()


def test_an_x_at_the_start_of_a_sentence_depends_on_the_row_before():
    gold = [["NOUN", "NOUN"], ["X", "VERB"], ["VERB"]]
    decided = [["NOUN", "ADJ"], ["X", "VERB"], ["VERB"]]
    rows = [row | {"id": str(i)} for i, row in enumerate(rows_of(UDPOS, gold))]
    swapped = [2, 1, 0]  # X then follows a row that is tagged right
    values = []
    for ids in ((0, 1, 2), swapped):
        renamed = [row | {"id": str(i)} for row, i in zip(rows, ids, strict=True)]
        values.append(score(UDPOS, renamed, decided, "en")["f1"])
        in_file = sorted(range(3), key=lambda place, ids=ids: ids[place])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            official = f1_score([gold[i] for i in in_file], [decided[i] for i in in_file])
        assert values[-1] == pytest.approx(100 * official)
    assert values[0] < values[1]


@pytest.mark.parametrize(
    ("tags", "decided", "said"),
    [
        ([0, 1], [["O"]], "udpos, row i0: 1 tags are decided, allowed: 2, one for every word; predict O"),
        ([0, 1], [["O", "O", "O"]], "udpos, row i0: 3 tags are decided, allowed: 2"),
        ([0, 1], [], "udpos: decisions about 0 rows, allowed: 1"),
        ([0, -1], [["O", "O"]], "row i0: a tag is -1, allowed for udpos: 0 to 16"),
        ([0, -100], [["O", "O"]], "row i0: a tag is -100, allowed for udpos: 0 to 16"),
        ([0, 17], [["O", "O"]], "row i0: a tag is 17, allowed for udpos: 0 to 16"),
    ],
)
@pytest.mark.parametrize("metric", ["f1", "token_accuracy", "macro_f1"])
def test_tags_that_cannot_be_compared_are_refused(tags, decided, said, metric):
    entry = dataclasses.replace(UDPOS, metric="token_accuracy", also=(metric,))
    with pytest.raises(ValueError, match=said):
        score(entry, [{"id": "i0", "tokens": ["a", "b"], "tags": tags}], decided, "en")


def test_nothing_to_find_and_nothing_found():
    assert scored(PANX, [["O", "O"]], [["O", "O"]])["f1"] == 0


def test_accuracy_of_words_alone():
    entry = dataclasses.replace(PANX, metric="token_accuracy")
    assert scored(entry, [["O", "O", "B-PER"], ["O"]], [["O", "B-PER", "O"], ["O"]]) == {"token_accuracy": 50}
