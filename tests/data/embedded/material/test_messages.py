import subprocess
import sys
from pathlib import Path

import pytest

from stilts_utils.data import embedded
from stilts_utils.data.embedded.material.messages import (
    fill,
    is_fillable,
    messages,
    slots,
    translate,
    unquoted,
    without_slots,
)


def test_no_translation_is_stored_in_the_repository():
    for path in Path(embedded.__file__).parent.glob("*.py"):
        foreign = {c for c in path.read_text(encoding="utf-8") if c.isalpha() and ord(c) > 127}
        assert not foreign, f"{path.name} has the letters {foreign}"


def test_django_is_read_but_not_imported():
    program = "import sys; from stilts_utils.data import embedded; embedded.rows('qa_log', 'de', 'test', limit=2);"
    program += "print([m for m in sys.modules if m.split('.')[0] in ('django', 'faker')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_translate():
    assert translate("user", "en") == "user"
    assert translate("user", "de") == "Benutzer"
    assert translate("user", "wo") is None and translate("no such message", "de") is None
    assert translate("The <b>user</b>", "en") == "The user"


def test_a_sentence_equal_to_the_english_one_is_not_translated(monkeypatch):
    messages("fr")
    found = {"session": "session", "log entry": "log entry"}
    monkeypatch.setattr("stilts_utils.data.embedded.material.messages.messages", lambda language: found)
    assert translate("session", "fr") == "session" and translate("log entry", "fr") is None


def test_fill_tells_where_the_values_are():
    text, spans = fill("A {name} (%(obj)s): %s", {"name": "x", "obj": "yy", "": "z"})
    assert text == "A x (yy): z"
    assert [(slot, text[start:end]) for slot, start, end in spans] == [("name", "x"), ("obj", "yy"), ("", "z")]
    assert fill("{a}{b}", "-")[0] == "--"
    assert slots("A {name} (%(obj)s): %s") == ["name", "obj", ""]


@pytest.mark.parametrize(
    ("pattern", "language", "expected"),
    [
        ("%(name)s “%(obj)s” added", "en", True),
        ("%(name)s%(obj)s deleted", "sw", False),  # would glue the entity to the noun
        ("El%(name)s deleted", "es", False),
        ("%(name)sna ID", "sw", False),
        ("%sx added", "te", True),  # an ending
        ("a%(name)sb", "zh", True),
    ],
)
def test_is_fillable(pattern, language, expected):
    assert is_fillable(pattern, language) == expected


def test_unquoted_keeps_apostrophes():
    assert unquoted("“%(path)s” doesn’t exist") == "%(path)s doesn’t exist"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("“%(value)s” value must be an integer.", "value must be an integer."),
        ("less than %(limit)s.", "less than."),
        ("Model %(model_name)r not found in app %(app_label)r", "Model not found in app"),
        ("it is (%(shown)s), says “a” or “b”", "it is, says “a” or “b”"),
    ],
)
def test_without_slots(pattern, expected):
    assert without_slots(pattern) == expected
