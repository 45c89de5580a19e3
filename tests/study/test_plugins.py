import importlib
import json
import sys

import pytest

from stilts_utils.study import engines, plugins
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.tables import digests, identity
from stilts_utils.tasks import LANGUAGES, TASKS
from tests.own_plugins import TASK

pytest_plugins = ["tests.own_plugins"]
ENGINE = """
from stilts_utils.study.engines import Deployment
OWN = Deployment({name!r}, "torch", "fp32", "one of one's own")
"""


def test_entries_are_entered_once_and_read_by_every_study_that_names_the_file(plugged):
    study = plugged("my_engine.py", ENGINE.format(name="own"))
    assert engines.ENGINES["own"].runtime == "torch" and study.plugins == ("my_engine.py",)
    again = plugged("my_engine.py", inference={"target": "mc_facts", "engines": ["own"]})
    assert again.inference.engines == ("own",) and list(engines.ENGINES).count("own") == 1


def test_a_study_that_is_sent_to_another_process_brings_its_plugins(plugged):
    """By what multiprocessing calls there; `tests/timing/test_processes.py` starts such a process."""
    (plugin,) = plugged("my_task.py", TASK).plugins
    make, arguments = plugin.__reduce__()
    entry = TASKS.pop("shout")
    plugins.LOADED.clear()
    assert make(*arguments) == "my_task.py"
    assert TASKS["shout"] == entry and TASKS["shout"] is not entry


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "what it registers is None, allowed: a Task, a Method or a Deployment at the top of the file"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError: invalid syntax"),
        (ENGINE.format(name="fp32"), "name is 'fp32', allowed: another than those in the registry, eager, fp32, bf16"),
        (ENGINE.format(name="own") + "OTHER = Deployment('own', 'torch', 'bf16', 'the same name')", "name is 'own'"),
        (
            "from stilts_utils.study.plugins import runtime\nruntime('torch')",
            "runtime is 'torch', allowed: another name",
        ),
        (TASK.replace("@plugins.rows(SHOUT)", ""), "task shout: rows is None, allowed: of data sets, or of a function"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line_and_leaves_nothing(plugged, code, said):
    before = {kind: dict(registry) for kind, registry in plugins.KINDS.items()}
    with pytest.raises(StudyError) as error:
        plugged("wrong.py", code or "# nothing")
    assert str(error.value).startswith("own.yaml: plugins: wrong.py cannot be loaded: ") and said in str(error.value)
    assert "\n" not in str(error.value) and str(error.value).endswith("; correct it, or take it out")
    assert before == plugins.KINDS


def test_a_file_is_loaded_after_it_was_corrected(plugged):
    code = "from stilts_utils.study import plugins\nplugins.runtime('new')(None)\n" + ENGINE.format(name="own")
    with pytest.raises(StudyError, match="ZeroDivisionError"):
        plugged("mine.py", f"{code}1 / 0")
    assert plugged("mine.py", code).plugins == ("mine.py",)


@pytest.mark.parametrize("wrong", ["absent.py", "absent"])
def test_a_plugin_that_is_not_there_is_refused(plugged, wrong):
    with pytest.raises(
        StudyError, match=rf"own.yaml: plugins is '{wrong}', allowed: a Python file, .*correct the path"
    ):
        plugged(wrong)
    with pytest.raises(StudyError, match="own.yaml: plugins is 'mine.py', allowed: a list of Python files"):
        plugged("mine.py", ENGINE.format(name="own"), plugins="mine.py")


def test_an_installed_package_counts_only_if_the_study_names_it(plugged, tmp_path, monkeypatch):
    info = tmp_path / "own_pkg-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-pkg\nVersion: 1.5\n", encoding="utf8")
    (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\nmine = own_pkg\n", encoding="utf8")
    (tmp_path / "own_pkg.py").write_text(ENGINE.format(name="packaged_own"), encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert plugged("mine.py", ENGINE.format(name="own")) and "packaged_own" not in engines.ENGINES
    (named,) = plugged("mine").plugins
    assert named.version == "own-pkg==1.5" and "packaged_own" in engines.ENGINES
    sys.modules.pop("own_pkg")


def test_a_task_may_bring_a_language_that_no_task_has(plugged):
    code = (
        "from stilts_utils.tasks import Floor, HubRows, Task\nROWS = {'text_a': 'a', 'text_b': 'b', 'label': 'label'}\n"
    )
    code += (
        "OWN = Task('own', shape='pair', category='classification', metric='accuracy', roles=('target',), asks='?', "
        "labels=('a', 'b'), train=((HubRows('x/y', 'en', 'train', ROWS),),), test=HubRows('x/y', '{language}', 'test', ROWS),"
        " languages={'en': 'en', 'rue': 'rue'}, floor=Floor(60, 50, 'Half.'))"
    )
    assert "rue" not in LANGUAGES
    assert plugged("own.py", code, languages=["en", "rue"]).languages == ("en", "rue")


def code_in(study):
    for known in [known for known in digests._read if known[0].name == "mine.py"]:
        del digests._read[known]  # as another process would read it
    made = identity.of_run(study, "1_pretrained", {}), identity.of_target(study, "mc_facts", "temprel", 2, 1)
    return [json.dumps(each.parts) for each in made]


def test_the_code_of_a_plugin_is_in_the_identities_of_its_study_alone(plugged, tmp_path):
    study = plugged("mine.py", ENGINE.format(name="own"))
    with_it = code_in(study)
    assert all('"plugin mine.py"' in parts and str(tmp_path) not in parts for parts in with_it)
    file = tmp_path / "mine.py"
    file.write_text(file.read_text(encoding="utf8") + "# a comment\n", encoding="utf8")
    assert code_in(study) == with_it
    file.write_text(file.read_text(encoding="utf8").replace("one's own", "mine"), encoding="utf8")
    assert all(now != then for now, then in zip(code_in(study), with_it, strict=True))
    assert not any("plugin" in parts for parts in code_in(Study.load("studies/smoke.yaml")))


def test_statements_of_plugins_alone_count_in_no_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "ROOT", tmp_path)
    plain = "from stilts_utils import ROOT\n\n\nclass Study:\n    name: str\n"
    more = plain.replace("import ROOT", "import ROOT, plugins") + "    plugins: tuple = ()\n\n\nplugins.load(1)\n"
    made = []
    for code in (plain, more, more + "given = plugins.load(1)\n"):
        (tmp_path / "page.py").write_text(code, encoding="utf8")
        digests.forget()
        made.append(digests.code_of("page.py"))
    digests.forget()
    assert made[0] == made[1] != made[2]


def test_results_are_read_with_the_plugins_of_the_study_file_of_their_name(plugged, tmp_path, monkeypatch):
    study = plugged("my_task.py", TASK)
    (tmp_path / "studies").mkdir()
    monkeypatch.setattr(plugins, "ROOT", tmp_path)
    about = {"study": {"name": "own"}, "settings": {"plugins": list(study.plugins)}}
    plugins.of_results(about)  # this process has them
    TASKS.pop("shout")
    plugins.LOADED.clear()
    with pytest.raises(
        StudyError, match=r"studies/own.yaml: plugins is \[\], allowed: with my_task.py, .*; put them back"
    ):
        plugins.of_results(about)
    for name in ("own.yaml", "my_task.py"):
        (tmp_path / name).rename(tmp_path / "studies" / name)
    plugins.of_results(about)
    assert "shout" in TASKS
