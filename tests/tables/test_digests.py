import json

import pytest

from stilts_utils.tables import digests

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
    monkeypatch.setattr(digests, "ROOT", tmp_path)


def code_of(path, **options):
    """The digest as a process finds it that begins now."""
    digests.forget()
    return digests.code_of(path, **options)


INITS = {"__init__", "deep/__init__"}


@pytest.mark.parametrize(
    ("path", "used"),
    [
        ("stilts_utils/plain.py", {"plain"}),
        ("stilts_utils/deep/inner.py", {"__init__", "deep/inner", "plain"}),
        ("stilts_utils/direct.py", {"direct", *INITS, "deep/inner", "plain"}),
        ("stilts_utils/top.py", {"top", "direct", "named", *INITS, "deep/inner", "plain"}),
        ("page.ipynb", {"direct", *INITS, "deep/inner", "plain"}),
    ],
)
def test_modules_are_found_through_modules_and_nothing_else(package, path, used):
    assert digests.modules_of(path) == sorted(f"stilts_utils/{name}.py" for name in used)


@pytest.mark.parametrize(
    ("path", "used", "unused"),
    [
        (
            "notebooks/5_findings.ipynb",
            {"report/tables", "report/figures/latency", "analysis/bootstrap"},
            {"training/trajectory", "training/session", "models/heads"},
        ),
        (
            "notebooks/4_inference.ipynb",
            {"timing/paired", "engines/__init__", "engines/pytorch", "engines/onnx", "analysis/latency"},
            {"report/numbers", "report/sentences", "scoring/shortcuts"},
        ),
        (
            "notebooks/3_target.ipynb",
            {"training/trajectory", "data/embedded/__init__"},
            {"timing/paired", "report/numbers", "report/figures/quality"},
        ),
    ],
)
def test_a_rule_depends_on_what_its_notebook_uses(path, used, unused):
    modules = set(digests.modules_of(path))
    assert {f"stilts_utils/{name}.py" for name in used} <= modules
    assert not {f"stilts_utils/{name}.py" for name in unused} & modules


@pytest.mark.parametrize("path", ["direct", "page"])
def test_code_counts_as_it_is_parsed(package, tmp_path, path):
    path = {"direct": "stilts_utils/direct.py", "page": "page.ipynb"}[path]
    before, inner = code_of(path), tmp_path / "stilts_utils/deep/inner.py"
    text = inner.read_text(encoding="utf8")
    inner.write_text(f'"""A docstring."""\n# and a comment\n\n{text}', encoding="utf8")
    (tmp_path / "stilts_utils/unused.py").write_text("x = 1", encoding="utf8")
    assert code_of(path) == before
    inner.write_text(f"{text}x = 1\n", encoding="utf8")
    assert code_of(path) != before


def test_markdown_and_outputs_of_a_notebook_are_no_code(package, tmp_path):
    before, page = code_of("page.ipynb"), tmp_path / "page.ipynb"
    cells = json.loads(page.read_text(encoding="utf8"))["cells"]
    cells[0]["source"] = ["another heading"]
    cells[1] |= {"outputs": [{"output_type": "stream", "text": "a"}], "execution_count": 3}
    page.write_text(json.dumps({"cells": cells}), encoding="utf8")
    assert code_of("page.ipynb") == before
    cells[1]["source"] = ["import sys\n"]
    page.write_text(json.dumps({"cells": cells}), encoding="utf8")
    assert code_of("page.ipynb") != before


def test_a_room_can_be_left_out(package, tmp_path):
    before, inner = code_of("page.ipynb", without=("deep/",)), tmp_path / "stilts_utils/deep/inner.py"
    assert digests.modules_of("page.ipynb", without=("deep/",)) == [
        "stilts_utils/__init__.py",
        "stilts_utils/direct.py",
    ]
    inner.write_text("x = 1\n", encoding="utf8")
    assert code_of("page.ipynb", without=("deep/",)) == before


def test_another_version_is_another_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "ROOT", tmp_path)
    (tmp_path / "constraints.txt").write_text("torch==1", encoding="utf8")
    before = digests.environment()
    (tmp_path / "constraints.txt").write_text("torch==2", encoding="utf8")
    assert digests.environment() != before


def test_what_one_method_of_arms_alone_needs_is_no_part_of_the_environment_but_has_a_version(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "ROOT", tmp_path)
    (tmp_path / "constraints.txt").write_text("numpy==1\ntorch==1\n", encoding="utf8")
    before = digests.environment()
    (tmp_path / "constraints.txt").write_text("numpy==1\npeft==2\ntorch==1\n", encoding="utf8")
    assert digests.environment() == before and digests.pin("peft") == "peft==2"
    with pytest.raises(ValueError, match="package is 'other', allowed: one of those in constraints.txt"):
        digests.pin("other")


def test_contents_are_names_and_bytes_of_files(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/one.txt").write_text("1", encoding="utf8")
    before = digests.contents(tmp_path)
    (tmp_path / "deep/one.txt").touch()
    assert digests.contents(tmp_path) == before
    (tmp_path / "deep/one.txt").write_text("2", encoding="utf8")
    changed = digests.contents(tmp_path)
    (tmp_path / "deep/one.txt").rename(tmp_path / "deep/two.txt")
    assert len({before, changed, digests.contents(tmp_path)}) == 3


def test_a_process_goes_on_with_the_code_that_it_read_and_knows_what_changed(package, tmp_path):
    before, page = code_of("page.ipynb"), tmp_path / "page.ipynb"
    assert digests.changed() == []
    page.write_text(page.read_text(encoding="utf8").replace("import os", "import sys"), encoding="utf8")
    assert digests.code_of("page.ipynb") == before
    assert digests.changed() == ["page.ipynb"]


def test_a_notebook_that_is_no_python_is_named(package, tmp_path):
    page = tmp_path / "page.ipynb"
    page.write_text(page.read_text(encoding="utf8").replace("import os", "%time import os"), encoding="utf8")
    with pytest.raises(ValueError, match="page.ipynb is no Python .* take out lines that begin with % or !"):
        code_of("page.ipynb")


def test_tools_are_no_part_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "ROOT", tmp_path)
    (tmp_path / "constraints.txt").write_text("torch==1\nruff==1\nbokeh==1\npytest-xdist==1\n", encoding="utf8")
    before = digests.environment()
    (tmp_path / "constraints.txt").write_text("torch==1\nruff==2\nbokeh==2\npytest-xdist==2\n", encoding="utf8")
    assert digests.environment() == before
    (tmp_path / "constraints.txt").write_text("torch==2\nruff==2\n", encoding="utf8")
    assert digests.environment() != before


def test_large_files_are_read_once_and_known_by_name_and_content(tmp_path):
    known, one = tmp_path / "known.json", tmp_path / "data/one"
    one.parent.mkdir()
    one.write_bytes(b"1")

    def found():
        return digests.files(one.parent.iterdir(), one.parent, known)

    before = found()
    assert found() == before and known.is_file()
    one.rename(one.with_name("two"))
    assert found() != before
    known.write_text("{", encoding="utf8")  # a broken cache is made again
    one.with_name("two").rename(one)
    assert found() == before
    one.write_bytes(b"22")
    assert found() != before
