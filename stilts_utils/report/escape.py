"""Values as text in Markdown: nothing that a study file, a table or a provenance holds is markup, but for emphasis."""

import re

# What would let a value be read as a code, a role, a link, a footnote, HTML or a formula.
MARKUP = re.compile(r"[\\`<{$]|\](?=[(\[:])|&(?=#?\w+;)")
# At the start of a line: a heading, a quote, a list, a fence, a comment, a target, a rule, a definition or a table.
BLOCK = re.compile(r"^(?=[#>~:%=|(]|[+*_-](?:\s|$|[+*_-][+*_-]))|^(\d+)(?=[.)](?:\s|$))")


def plain(value: str) -> str:
    """A value in one line of Markdown in which nothing but emphasis is marked up."""
    text = MARKUP.sub(r"\\\g<0>", " ".join(str(value).split()))
    return BLOCK.sub(lambda match: f"{match[1] or ''}\\", text)


def cell(value: object) -> str:
    """A value in a cell of a Markdown table; `Markup` stays as it is."""
    if isinstance(value, Markup):
        return value
    return MARKUP.sub(r"\\\g<0>", " ".join(str(value).split())).replace("|", "&#124;")


class Markup(str):
    """Markdown of ours in a cell, which stays markup. `PREFIX` in it becomes that of the page, see `chapters`."""

    PREFIX = "%prefix%"
