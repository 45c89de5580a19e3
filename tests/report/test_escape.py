import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from stilts_utils.report.columns import markdown
from stilts_utils.report.escape import Markup, cell, plain
from tests.hostile import STRINGS, table_of


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+11.1 [+1.6, +23.0] and **no** score", "+11.1 [+1.6, +23.0] and **no** score"),
        ("**bold** first", "**bold** first"),
        ("-1.2 points", "-1.2 points"),
        ("a title\n```{raw} html", r"a title \`\`\`\{raw} html"),
        ("{{ seeds }} <b>", r"\{\{ seeds }} \<b>"),
        ("[here](javascript:x) $x$", r"[here\](javascript:x) \$x\$"),
        ("[a]: javascript:x", r"[a\]: javascript:x"),
        ("&lt;b&gt; R&D", r"\&lt;b\&gt; R&D"),
        ("# heading", r"\# heading"),
        (":::{eval-rst}", r"\:::\{eval-rst}"),
        ("- item", r"\- item"),
        ("2. item", r"2\. item"),
        ("(target)=", r"\(target)="),
        ("---", r"\---"),
    ],
)
def test_a_value_is_text(value, shown):
    assert plain(value) == shown


@pytest.mark.parametrize(("value", "shown"), [("a | b\n`c`", r"a &#124; b \`c\`"), (7, "7"), ("\\|", r"\\&#124;")])
def test_a_cell_is_text(value, shown):
    assert cell(value) == shown


def test_markup_of_ours_stays():
    assert cell(Markup("{numref}`tab-a`")) == "{numref}`tab-a`"


def rendered(text: str) -> list[str]:
    """Kinds of all tokens of CommonMark with tables and HTML."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    return [token.type for outer in tokens for token in (outer, *(outer.children or ()))]


ALLOWED = {"paragraph_open", "inline", "text", "text_special", "paragraph_close", "softbreak"}
EMPHASIS = {"em_open", "em_close", "strong_open", "strong_close"}


@pytest.mark.parametrize("value", STRINGS)
def test_hostile_values_are_text(value):
    assert set(rendered(plain(value))) <= ALLOWED | EMPHASIS


@given(st.text(st.sampled_from("ab1 \n#>~:%=|()[]<>{}`$\\&;!*_+-.^\t'\""), max_size=20))
def test_any_value_is_text(value):
    assert set(rendered(plain(value))) <= ALLOWED | EMPHASIS


@pytest.mark.parametrize("value", STRINGS)
def test_hostile_cells_and_headings_stay_in_their_cell(value):
    kinds = rendered(markdown(table_of(value)))
    assert kinds.count("th_open") == 2 and kinds.count("td_open") == 4
    assert not {"html_inline", "html_block", "link_open", "image", "code_inline", "fence"} & set(kinds)
