"""A reader's table in LaTeX, as a paper includes it: rules of the package booktabs, and cells that are text."""

import re

import pandas as pd

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    # What LaTeX has no glyph for in its usual fonts.
    **{"−": "$-$", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "≤": r"$\leq$", "≥": r"$\geq$", "Σ": r"$\Sigma$"},
    **{"–": "--", "—": "---", "…": r"\ldots{}", "’": "'", "‘": "`", "“": "``", "”": "''", "\N{NO-BREAK SPACE}": "~"},
}
NUMBER = re.compile(r"[+−-]?\d[\d,.]*( %)?( \[.*\])?|[–-]?")


def escaped(value: object) -> str:
    """A value as text that LaTeX prints as it is. Letters of scripts other than Latin need LuaLaTeX or XeLaTeX."""
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(str(value).split()))


def table(frame: pd.DataFrame, caption: str, label: str) -> str:
    """A frame as a `table` of LaTeX, columns of numbers to the right. It needs `\\usepackage{booktabs}`."""
    sides = ["r" if all(map(NUMBER.fullmatch, frame[name].astype(str))) else "l" for name in frame]
    rows = [_row(cells) for cells in frame.itertuples(index=False, name=None)]
    parts = [
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{escaped(caption)}}}",
        f"\\label{{tab:{label}}}",
        f"\\begin{{tabular}}{{{''.join(sides)}}}",
        r"\toprule",
        _row(frame.columns),
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(parts) + "\n"


def _row(cells) -> str:
    """A row; in braces where its first cell would be read as the argument of the rule or line end before it."""
    first, *others = map(escaped, cells)
    guarded = f"{{{first}}}" if first.startswith(("[", "*")) else first
    return " & ".join([guarded, *others]) + r" \\"
