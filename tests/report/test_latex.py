import re
import shutil
import subprocess

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stilts_utils.report import latex

CELLS = st.text(st.characters(codec="utf8", exclude_categories=["Cs", "Cc"]), max_size=20)
FRAMES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=4)
)


def body(text: str) -> list[str]:
    """The header and the rows of a table."""
    return [line for line in text.splitlines() if line.endswith(r" \\")]


def parts(line: str) -> list[str]:
    return re.split(r"(?<!\\)&", line.removesuffix(r" \\"))


@settings(max_examples=40, deadline=None)
@given(FRAMES)
def test_a_cell_is_text_whatever_it_holds(rows):
    frame = pd.DataFrame(rows, columns=[f"c{number}" for number in range(len(rows[0]))])
    made = latex.table(frame, "A & caption_1", "one")
    lines = body(made)
    assert len(lines) == len(rows) + 1
    for line in lines:
        assert len(parts(line)) == frame.shape[1]
        bare = re.sub(r"\$[^$]*\$|\\text\w+\{\}|\\ldots\{\}|\\[&%$#_{}\\]", "", line)
        assert not re.search(r"[%$#_^&]", bare.replace("&", "", frame.shape[1] - 1)), line
        assert bare.count("{") == bare.count("}")
    assert made.count(r"\begin{") == made.count(r"\end{") == 2
    assert r"\caption{A \& caption\_1}" in made


def test_numbers_stand_to_the_right_and_signs_are_those_of_mathematics():
    frame = pd.DataFrame({"Engine": ["fp32", "bf16"], "Change [95 %]": ["−0.3 % [−0.7, +0.2]", "–"], "n": [1, 20]})
    made = latex.table(frame, "Latency", "latency")
    assert r"\begin{tabular}{lrr}" in made and r"\toprule" in made and r"\bottomrule" in made
    assert body(made)[1:] == [r"fp32 & $-$0.3 \% [$-$0.7, +0.2] & 1 \\", r"bf16 & -- & 20 \\"]


def test_a_first_cell_is_no_argument_of_the_rule_before_it():
    assert body(latex.table(pd.DataFrame({"a": ["[1]", "*"]}), "x", "x"))[1:] == [r"{[1]} \\", r"{*} \\"]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no LaTeX here")
def test_it_compiles(tmp_path):
    frame = pd.DataFrame({"a~b": ["−1 ± 2 × 3", r"\ { } ^ & % $ # _"], "c": ["≤ 1…", "“x” – y"]})
    text = latex.table(frame, "Caption & more", "one")
    document = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n{text}\\end{{document}}\n"
    (tmp_path / "a.tex").write_text(document, encoding="utf8")
    done = subprocess.run(["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
