"""Strings of somebody who wants pages to run code, and stored results that are full of them."""

import json
from pathlib import Path

import pandas as pd

from stilts_utils.tables import files, manifest
from tests import fake_study

MARK = "made_by_a_page"  # the file that would be made if a string was run
STRINGS = (
    f"{{{{ cycler.__init__.__globals__.os.popen('touch {MARK}').read() }}}}",
    "{% raw %}{% endraw %}{% include 'chapter.md.jinja' %}",
    "<script>alert('x')</script><img src=x onerror=alert('x')>",
    "[here](javascript:alert) ![i](http://evil.example/i.png) <javascript:alert>",
    "[here]: javascript:alert\n[here]",
    "a | b || c\n|---|\n| d |",
    "`code` ``` ```\n```{eval-rst}\n.. raw:: html\n\n   <script>alert('x')</script>\n```",
    ":::{raw} html\n<script>alert('x')</script>\n:::",
    "{raw}`x` {eval-rst}`x` {numref}`fig-nowhere` {cite}`nobody` {doc}`nowhere`",
    "$x$ $$x$$ $\\href{javascript:alert}{x}$ $\\frac{$",
    "# heading\n\n---\n\n(target)=\n+++\n% comment",
    "&lt;script&gt; &#60;script&#62; \\<b> [^1] [^1]: x",
)
EVERY = " ".join(STRINGS)


def table_of(value: str) -> pd.DataFrame:
    return pd.DataFrame({"name": [value, "a"], value: ["b", value]})


def provenance() -> dict:
    """The fake study's, with all its free text replaced."""
    about = json.loads(json.dumps(fake_study.provenance()))
    place = {"commit": EVERY, "date": EVERY, "machine": {"device": EVERY, "cpu": EVERY, "cores": 2, EVERY: EVERY}}
    about |= {**place, "timed": place, "note": EVERY, "splits": dict.fromkeys(about["splits"], "validation")}
    about["study"] |= {"title": EVERY, "name": "hostile"}
    about["encoder"] |= {"name": EVERY, "precision": EVERY}
    about["versions"] = {"torch": EVERY, EVERY: EVERY, "transformers": EVERY, "python": EVERY}
    about["registered"] = {number: (EVERY, EVERY) for number in about["study"]["hypotheses"]}
    return about


def tables() -> dict[str, pd.DataFrame]:
    """Those of the fake study, with the text that is free replaced or extended."""
    found = fake_study.tables()

    def swap(name: str, column: str, old: object) -> None:
        found[name][column] = found[name][column].replace({old: EVERY})

    swap("lacking", "reason", "no rows in source 'embedded'")
    swap("engines", "reason", "not here")
    swap("shortcuts", "baseline", "character n-grams")
    swap("costs", "part", "load")
    swap("costs", "run", "baseline")
    swap("jobs", "run", "checkpoints")
    swap("scenarios", "metric", "p90_s")
    swap("scenarios", "scenario", "Server")
    swap("exit_timings", "engine", "exit")
    swap("fertility", "item", "m1")
    swap("outputs", "sha256", "fp320")
    return found


def write(folder: Path) -> Path:
    """Hostile stored results, whole by their digests."""
    for name, frame in tables().items():
        files.save(name, frame, folder)
    (folder / "provenance.json").write_text(json.dumps(provenance() | {"tables": manifest.of(folder)}), encoding="utf8")
    return folder
