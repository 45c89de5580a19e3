import ast
import importlib
import inspect
import json
import re
from types import ModuleType

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from stilts_utils import ROOT
from stilts_utils.report import pages
from stilts_utils.report.pages import TITLES
from stilts_utils.study import parameters as described
from stilts_utils.study.study import Study
from stilts_utils.tables import by_hand
from stilts_utils.workflow import surroundings

NOTEBOOKS = {path.stem: nbformat.read(path, 4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
RUN = ["1_pretrained", "2_intermediate", "3_target", "4_inference"]  # the notebooks that read a study file
every = pytest.mark.parametrize("name", NOTEBOOKS)


def code(name: str) -> list[str]:
    return [cell.source for cell in NOTEBOOKS[name].cells if cell.cell_type == "code"]


def parameters(name: str) -> dict:
    """Names and defaults of a notebook's parameters."""
    defaults: dict = {}
    for node in ast.parse(code(name)[0]).body:
        assert isinstance(node, ast.Assign), f"{name}: the cell of parameters holds more than assignments"
        defaults[node.targets[0].id] = ast.literal_eval(node.value)
    return defaults


def test_there_is_a_notebook_for_every_phase():
    assert list(NOTEBOOKS) == list(TITLES)


@every
def test_it_is_a_valid_notebook_without_results(name):
    nbformat.validate(NOTEBOOKS[name])
    assert NOTEBOOKS[name].metadata.kernelspec.name == surroundings.KERNEL
    for cell in NOTEBOOKS[name].cells:
        assert cell.cell_type != "code" or cell.outputs == [] and cell.execution_count is None
        assert not {"papermill", "execution", "collapsed"} & cell.metadata.keys()


@every
def test_it_opens_with_its_question_and_its_parameters(name):
    first, second, *others = NOTEBOOKS[name].cells
    assert re.fullmatch(rf"# {TITLES[name]}: \S.*", first.source.split("\n")[0])
    assert "?" in first.source and first.cell_type == "markdown"
    assert second.cell_type == "code" and second.metadata.tags == ["parameters"]
    assert not [cell for cell in others if "parameters" in cell.metadata.get("tags", [])]


@every
def test_it_is_a_page_to_read(name):
    assert len(code(name)) <= 12
    for source in code(name):
        kinds = {type(node) for node in ast.walk(ast.parse(source))}
        assert not {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda} & kinds, source
        assert max(map(len, source.split("\n"))) <= 120


@every
def test_what_it_takes_from_the_package_is_there(name):
    modules: dict[str, ModuleType] = {}
    for node in [node for source in code(name) for node in ast.walk(ast.parse(source))]:
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "stilts_utils":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                taken = getattr(importlib.import_module(node.module), alias.name, None)
                taken = importlib.import_module(whole) if taken is None else taken
                if inspect.ismodule(taken):
                    modules[alias.asname or alias.name] = taken
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr), f"{node.value.id}.{node.attr}"
    assert modules


@pytest.mark.parametrize("name", RUN)
def test_the_defaults_name_what_exists(name):
    defaults = parameters(name)
    plan = Study.load(defaults["study"], encoder=defaults["encoder"])
    if "intermediate" in defaults:
        plan.check_intermediate(defaults["intermediate"], defaults.get("duration", plan.longest), defaults["seed"])
    own = {name: defaults[name] for name in ("intermediate", "duration", "seed") if name in defaults}
    assert own in [{key: run.given[key] for key in own if key in run.given} for run in plan.runs() if run.phase == name]
    assert defaults["out"] is None  # by hand it writes below runs/lab


def test_the_findings_read_your_runs_or_the_reference_results():
    assert parameters("5_findings")["tables"] is None
    assert (ROOT / by_hand.REFERENCE / "provenance.json").is_file()


@every
def test_it_shows_the_way_through_all_notebooks_with_this_one_marked(name):
    assert NOTEBOOKS[name].cells[0].source.split("\n")[2] == pages.way(name)


@every
def test_every_parameter_says_its_type_and_meaning_and_is_checked_first(name):
    for parameter, (kind, meaning) in described.described(name).items():
        assert kind.removesuffix(described.OPTIONAL) in described.TYPES and len(meaning) > 10, parameter
    check = NOTEBOOKS[name].cells[2]
    assert check.source.split("\n")[-1] == f'parameters.check("{name}", globals())'
    assert check.metadata.tags == ["shows", "remove-cell"]  # it is no part of what a run is


@every
def test_the_defaults_are_of_their_types(name):
    described.check(name, parameters(name))


@every
def test_figures_have_a_text_in_their_place(name):
    for cell in NOTEBOOKS[name].cells:
        drawn = cell.cell_type == "code" and re.match(r"figures\.shown|SVG\(", cell.source.split("\n")[-1])
        assert bool(drawn) == ("mystnb" in cell.metadata), cell.id
        assert not drawn or len(cell.metadata.mystnb.image.alt) > 40


@every
def test_it_ends_with_two_changes_to_try(name):
    last = NOTEBOOKS[name].cells[-1]
    assert last.cell_type == "markdown" and last.source.startswith("## Try this\n")
    tried = re.findall(r"^- .*?`(\w+)(?: = |: )[^`]+`", last.source, re.M)
    assert len(tried) == 2 == last.source.count("\n- ")
    assert all(one in parameters(name) or one == "planted" for one in tried)


def test_the_kernel_that_they_name_is_installed_with_every_environment():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    place = f"$(VENV)/share/jupyter/kernels/{surroundings.KERNEL}"
    assert f"KERNEL  := mkdir -p {place} && cp notebooks/kernel.json {place}/\n" in makefile
    assert makefile.count("@$(KERNEL) && touch $@") == makefile.count("\t$(PIP) -e ") == 2
    spec = json.loads((ROOT / "notebooks/kernel.json").read_text(encoding="utf8"))
    for notebook in NOTEBOOKS.values():
        assert notebook.metadata.kernelspec.display_name == spec["display_name"]


@pytest.mark.parametrize("study", sorted(path.stem for path in (ROOT / "studies").glob("*.yaml")))
def test_every_run_sets_parameters_that_its_notebook_has(study):
    for run in Study.load(f"studies/{study}.yaml").runs():
        given = json.loads(run.as_json("studies/mini.yaml", "out"))
        assert given.keys() <= parameters(run.phase).keys(), run.key


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_parameter_is_used(name):
    later = "\n".join(code(name)[1:])
    assert not [word for word in parameters(name) if not re.search(rf"\b{word}\b", later)]


BAD = {  # assignment -> the error
    "intermediate = 'mnli'": "intermediate is 'mnli', allowed: temprel, none",
    "duration = -5": "duration is -5, allowed: 0 or more",
    "duration = 0": "duration is 0, allowed: 0 with 'none' only",
    "seed = 'first'": "seed is 'first', allowed: a whole number",
    "seed = 7": "seed is 7, allowed: 1, 2",
    "duration = 2.5": "duration is 2.5, allowed: a whole number",
    "duratoin = 3": "parameter is 'duratoin', allowed: study, intermediate, duration, ",
    "targets = 'mc_facts'": r"targets is 'mc_facts', allowed: a list .* -y '\{targets: \[mc_facts\]\}'",
    "targets = ['xnli']": "target is 'xnli', allowed: mc_facts, ",
    "languages = ['xx']": "languages .*xx.*allowed: .*en",
    "languages = 'de'": "languages is 'de', allowed: a list",
    "encoder = 'no-such-folder'": "encoder is 'no-such-folder', allowed: packaged, ",
    "study = 'studies/none.yaml'": "'studies/none.yaml': there is no such file; there are: studies/adaptive.yaml",
}


@pytest.fixture(scope="module")
def refused():
    """Wrong assignment -> what the cells after the parameters of the target notebook then raise; "" for the defaults."""
    defaults, *checks = code("3_target")[:3]
    check = "\n".join(checks)
    sources = [defaults, check]
    for wrong in BAD:
        sources += [f"{defaults}\n{wrong}", check]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=NOTEBOOKS["3_target"].metadata)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    errors = [[o for o in cell.outputs if o.output_type == "error"] for cell in notebook.cells]
    assert not any(errors[::2])
    return {
        wrong: f"{found[0].ename}: {found[0].evalue}" if found else ""
        for wrong, found in zip(["", *BAD], errors[1::2], strict=True)
    }


@pytest.mark.parametrize("wrong", BAD)
def test_a_parameter_that_does_not_exist_stops_before_anything_is_trained(refused, wrong):
    assert re.search(BAD[wrong], refused[wrong]), refused[wrong]


def test_the_defaults_are_not_refused(refused):
    assert refused[""] == ""


@pytest.mark.parametrize("page", ["README.md", "book/rerun.md"])
def test_a_command_that_a_page_gives_has_parameters_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf8").replace("\\\n", " ")
    commands = re.findall(r"^papermill notebooks/(\w+)\.ipynb (.*)$", text, re.M)
    assert commands
    for name, options in commands:
        given = {key: yaml.safe_load(value) for key, value in re.findall(r"-p (\S+) (\S+)", options)}
        used = parameters(name) | given
        assert given.keys() <= parameters(name).keys()
        Study.load(used["study"]).check_intermediate(used["intermediate"], used["duration"], used["seed"])
