"""A repository's root with the real pages, the stored results of the fake study, and a run of it. A pytest plugin."""

import json
import shutil

import pytest
import yaml

from stilts_utils import ROOT

RUNS = {
    "1_pretrained/baseline": "Pretrained baseline",
    "2_intermediate/temprel-s1": "Intermediate temprel-s1",
    "2_intermediate/temprel-s2": "Intermediate temprel-s2",
    "3_target/none-0-s1": "Target none-0-s1",
    "3_target/temprel-4-s1": "Target temprel-4-s1",
    "3_target/temprel-4-s2": "Target temprel-4-s2",
    "4_inference/mc_facts-s1": "Inference mc_facts-s1",
    "5_findings": "Findings",
}


@pytest.fixture(scope="module")
def root(stored_results, tmp_path_factory, worker_id):
    """The root, in which the study `fake` leads and `read` has a chapter."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(ROOT / "book", root / "book", ignore=lambda folder, names: {"studies", "run"} & set(names))
    for name in ("_toc.yml", "CONTRIBUTING.md", "CITATION.cff"):
        shutil.copy(ROOT / name, root)
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    config["sphinx"]["config"]["book_study"] = "fake"
    (root / "_config.yml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf8")
    shutil.copytree(stored_results, root / "results")
    with pytest.MonkeyPatch.context() as patch:
        base = (
            tmp_path_factory.getbasetemp()
        )  # all workers and modules share reports, of which every change makes another
        patch.setenv("STILTS_CACHE", str((base if worker_id == "master" else base.parent) / "reports"))
        yield root


@pytest.fixture(scope="module")
def run(root, found, fake_report):
    """The folder of a run of the fake study: executed notebooks and a report."""
    folder = root / "runs" / "fake"
    for name in RUNS:
        (folder / name).mkdir(parents=True)
        shutil.copy(ROOT / "notebooks" / f"{name.split('/')[0]}.ipynb", folder / name / "notebook.ipynb")
    (folder / "1_pretrained/baseline/tables").mkdir()
    (folder / "1_pretrained/baseline/tables/provenance.json").write_text(json.dumps(found.provenance), encoding="utf8")
    shutil.copytree(fake_report[0], folder / "5_findings/report")
    return folder
