import json

import nbformat
import pytest

from stilts_utils import ROOT
from stilts_utils.tables import executed
from stilts_utils.tables.executed import cleaned, smaller


def code(source, *outputs, tags=(), **metadata):
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": [*tags], "papermill": {"duration": 2.1}, **metadata})
    return cell | {"outputs": list(outputs)}


def text(words, name="stdout"):
    return {"output_type": "stream", "name": name, "text": words}


def result(**data):
    data = {kind.replace("_", "/"): words for kind, words in data.items()}
    return {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}


def notebook(*cells):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Target: scored?"), *cells])
    return json.loads(json.dumps(made | {"metadata": {"papermill": {"input_path": "/home/me"}}}))


def test_the_parameters_that_were_used_stand_alone():
    defaults, used = (
        code("seed = 1", tags=["parameters"]),
        code("# Parameters\nseed = 2\n", tags=["injected-parameters"]),
    )
    check = code("parameters.check()", tags=["shows", "remove-cell"])
    assert [cell["source"] for cell in cleaned(notebook(defaults, used, check))["cells"][1:]] == ["seed = 2\n"]
    assert [cell["source"] for cell in cleaned(notebook(defaults))["cells"][1:]] == ["seed = 1"]


def test_warnings_and_bars_are_no_results():
    cell = code("train()", text("careful", "stderr"), text("3 of 8\r8 of 8\n"), text("done\n"))
    assert [output["text"] for output in cleaned(notebook(cell))["cells"][1]["outputs"]] == ["done\n"]


def test_an_output_keeps_its_best_form_and_a_cell_what_a_page_needs():
    both = result(text_html="<table></table>", text_plain="a table")
    cell = code("frame", both, tags=["shows"], mystnb={"image": {"alt": "A line."}})
    made = cleaned(notebook(cell))
    assert made["cells"][1]["outputs"][0]["data"] == {"text/html": "<table></table>"}
    assert made["cells"][1]["metadata"] == {"tags": ["shows"], "mystnb": {"image": {"alt": "A line."}}}
    assert "papermill" not in made["metadata"]


def test_cleaning_twice_changes_nothing():
    used = code("# Parameters\nseed = 2\n", text("a\n"), result(text_plain="b"), tags=["injected-parameters"])
    once = cleaned(notebook(code("seed = 1", tags=["parameters"]), used))
    assert cleaned(once) == once


def test_a_long_text_is_cut_and_a_large_figure_named():
    text_plain, svg = "x" * 9_000, "<svg>" + "y" * 50_000
    cell = code("both", result(text_plain=text_plain), {**result(), "data": {"image/svg+xml": svg}}, text("z" * 9_000))
    made = json.loads(smaller(notebook(cell), executed.LARGEST_OUTPUT))
    first, figure, words = made["cells"][1]["outputs"]
    assert len(first["data"]["text/plain"]) < 4_100 > len(words["text"])
    assert figure["text"] == "left out of this stored page, to keep it small: image/svg+xml"
    nbformat.validate(made)


def test_no_folder_of_this_machine_is_stored():
    assert str(ROOT) not in smaller(notebook(code("where", text(f"{ROOT}/runs/mini\n"))), executed.LARGEST_OUTPUT)


ABOUT = {
    "runs": ["1_pretrained/baseline", "2_intermediate/a-s1", "2_intermediate/a-s2"]
    + ["3_target/none-0-s1", "3_target/a-4-s1", "3_target/a-16-s1", "3_target/a-16-s2", "4_inference/x-s1"],
    "parameters": {
        "1_pretrained/baseline": {},
        "2_intermediate/a-s1": {"intermediate": "a", "seed": 1},
        "2_intermediate/a-s2": {"intermediate": "a", "seed": 2},
        "3_target/none-0-s1": {"intermediate": "none", "duration": 0, "seed": 1},
        "3_target/a-4-s1": {"intermediate": "a", "duration": 4, "seed": 1},
        "3_target/a-16-s1": {"intermediate": "a", "duration": 16, "seed": 1},
        "3_target/a-16-s2": {"intermediate": "a", "duration": 16, "seed": 2},
        "4_inference/x-s1": {"seed": 1},
    },
}


def test_one_run_of_every_phase_and_arm_is_chosen():
    runs = [
        "1_pretrained/baseline",
        "2_intermediate/a-s1",
        "3_target/none-0-s1",
        "3_target/a-16-s1",
        "4_inference/x-s1",
    ]
    assert executed.chosen(ABOUT) == runs


@pytest.fixture
def runs(tmp_path):
    for key in ("1_pretrained/baseline", "2_intermediate/a-s1", "2_intermediate/a-s2", "5_findings"):
        (tmp_path / "runs" / key).mkdir(parents=True)
        page = notebook(code("1", result(text_plain=key)))
        (tmp_path / "runs" / key / executed.PAGE).write_text(json.dumps(page), encoding="utf8")
    return tmp_path


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.ipynb"))


def test_those_that_there_are_are_written(runs):
    executed.write(runs / "runs", ABOUT, runs / "stored", runs / "out")
    assert written(runs / "out") == ["1_pretrained/baseline.ipynb", "2_intermediate/a-s1.ipynb", "5_findings.ipynb"]


def test_the_stored_one_stays_if_the_run_was_taken_from_it(runs):
    executed.write(runs / "runs", ABOUT, runs / "stored", runs / "stored")
    stand_in = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 2: a stored run")])
    (runs / "runs/2_intermediate/a-s1" / executed.PAGE).write_text(json.dumps(stand_in), encoding="utf8")
    executed.write(runs / "runs", ABOUT, runs / "stored", runs / "out")
    assert written(runs / "out") == written(runs / "stored")


def test_notebooks_of_a_study_stay_small(runs):
    svg = {**result(), "data": {"image/svg+xml": "<svg>" + "y" * 39_000}}
    for key in ("1_pretrained/baseline", "2_intermediate/a-s1", "5_findings"):
        page = notebook(code("1", *[svg] * 4))
        (runs / "runs" / key / executed.PAGE).write_text(json.dumps(page), encoding="utf8")
    executed.write(runs / "runs", ABOUT, runs / "stored", runs / "out")
    sizes = [path.stat().st_size for path in (runs / "out").rglob("*.ipynb")]
    assert sum(sizes) < executed.LARGEST
