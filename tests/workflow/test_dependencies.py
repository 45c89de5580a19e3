from stilts_utils import ROOT
from stilts_utils.tables import provenance
from stilts_utils.workflow import dependencies


def test_pages_are_all_files_of_the_book():
    found = [path for path in dependencies.pages() if not path.startswith("results/")]
    assert {"book/index.md", "_config.yml", "_toc.yml", "book/references.bib"} <= set(found)
    assert all((ROOT / path).is_file() for path in found)
    assert not [path for path in found if "_build" in path or path.startswith(("book/studies", "book/run"))]


def test_pages_depend_on_the_stored_results(tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "provenance.json").write_text("{}")
    monkeypatch.setattr(dependencies, "ROOT", tmp_path)
    monkeypatch.setattr(provenance.stored, "__defaults__", (tmp_path / "results",))
    assert dependencies.pages() == ["results/one/provenance.json", "results/other/provenance.json"]
