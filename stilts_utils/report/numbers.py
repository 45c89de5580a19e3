"""Numbers, tables and figures of the book, written from the findings into one folder."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from stilts_utils.analysis import claims, controls, latency, quality
from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.analysis.verdict import NOT_MEASURED
from stilts_utils.report import (
    answer,
    answer_rows,
    arms,
    captions,
    data_files,
    estimand_verdicts,
    exit_sentences,
    explorer,
    figure_data,
    figures,
    sentences,
    sources,
    tables_estimands,
    unfilled,
    work,
)
from stilts_utils.report import tables as report_tables
from stilts_utils.report.columns import Table
from stilts_utils.report.figures.pipeline import draw_pipeline
from stilts_utils.report.formats import decimal, listed, span
from stilts_utils.study import whole
from stilts_utils.study.engines import REFERENCE
from stilts_utils.study.hypotheses import EXIT_MARGIN
from stilts_utils.study.settings import CONTROL
from stilts_utils.tables import provenance
from stilts_utils.tables.jobs import elapsed, peak_mb
from stilts_utils.tasks import task

FILE = "numbers.json"

KINDS = {
    "packaged": "It is a real pretrained encoder, distilled from XLM-R and then trained contrastively, with 4-bit weights "
    "expanded to floats: not a pure masked-language model, and it has seen pairs like those of NLI and QA.",
    "random": "It has random weights: this run tests the machinery and says nothing about language.",
}
GENERATED = (
    "Every target is generated from translated interface messages and locale data. **No score of this study is an XTREME-R "
    "score**, and none should be compared with one."
)


def write(findings: Findings, folder: Path | str, shared: bool = False) -> dict[str, str]:
    """Write `numbers.json`, the rows of the answer and `generated/` (tables as Markdown, figures as SVG, the data of both as
    CSV), whole or not at all.

    Returns the numbers.

    `shared`: another process may write the same report at once. Raises UnfilledError if the tables leave a hole in one.
    """
    study = findings.study["name"]
    with whole.folder(Path(folder), shared) as made:
        (made / "generated").mkdir()
        said = answer_rows.said(findings)
        rows = answer.of_study(study, said)
        values = numbers(findings) | {"study_headline": answer.headline(rows)}
        unfilled.check_numbers(values, study)
        (made / FILE).write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
        (made / explorer.FILE).write_text(explorer.short_json(explorer.part(findings)) + "\n", encoding="utf8")
        said |= {"claims": claims.measured(findings)}
        (made / answer_rows.FILE).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
        _write_tables(report_tables.every(findings) | {"answer": answer.alone(rows)}, made, study)
        for name, frame in figure_data.every(findings).items():
            sources.write(frame, made / "generated" / f"{sources.FIGURE}{name}.csv")
        for name, draw in drawn(findings).items():
            figures.save(draw(), made / "generated" / f"{name}.svg")
            with figures.drawn_for(figures.NARROW):
                figures.save(draw(), made / "generated" / f"{name}-narrow.svg")
        data_files.archive(findings.tables, made / data_files.ARCHIVE)
        draw_pipeline(made / "generated" / "pipeline.svg")
    return values


def _write_tables(tables: dict[str, Table], folder: Path, study: str) -> None:
    """Write the tables and, as `tables.json`, which part of its data each shows, or the sentence that stands for it."""
    for name, table in tables.items():
        unfilled.check_table(name, table.shown, study)
        sources.write(table.data, folder / "generated" / f"{name}.csv")
        if not table.said:
            (folder / "generated" / f"{name}.md").write_text(report_tables.markdown(table.shown), encoding="utf8")
    notes = {
        "rest": {name: f"Shown: {table.rest}." for name, table in tables.items() if table.rest},
        "said": {name: table.said for name, table in tables.items() if table.said},
    }
    (folder / sources.FILE).write_text(json.dumps(notes, indent=1, ensure_ascii=False) + "\n", encoding="utf8")


def numbers(findings: Findings) -> dict[str, str]:
    """Every number and sentence that the pages name, formatted. Of a study that was not timed, none that needs timings."""
    about, study = findings.provenance, findings.study
    encoder = about["encoder"]
    return {
        "study_title": study["title"],
        "material_note": _material_note(findings),
        "encoder_name": sentences.encoder_name(findings),
        "encoder_layers": str(encoder["layers"]),
        "warmup_steps": str(study["training"]["warmup_steps"]),
        "middle_layer": str(findings.middle),
        "encoder_hidden": str(encoder["hidden"]),
        "encoder_parameters": _count(encoder["parameters"]),
        "encoder_kind_note": KINDS.get(encoder["name"], "Its weights come from the model hub or a local folder."),
        "trained_sentence": sentences.as_trained(findings),
        "ran_on": _ran_on(about),
        "run_note": about.get("note", "No repetition and no change by hand was noted."),
        **{f"versions_{name}": about["versions"].get(name, "none") for name in ("torch", "transformers", "python")},
        "languages_count": str(len(study["languages"])),
        "languages_list": listed(study["languages"]),
        "intermediate_tasks": listed(study["intermediate"]),
        "durations_list": listed(findings.durations),
        "longest_duration": str(findings.longest),
        "seeds_count": str(len(study["seeds"])),
        "seeds_list": listed(study["seeds"]),
        "targets_list": listed(study["targets"]),
        "fit_steps": listed(f"{sum(fit['steps'])} ({name})" for name, fit in study["targets"].items() if fit["steps"]),
        "validation_targets": listed(t for t, split in about["splits"].items() if split == "validation") or "none",
        "items_per_language": _items_per_language(study),
        "rests_sentence": sentences.rests_on(findings),
        "answer_quality_sentence": sentences.answer_quality(findings),
        "answer_exits_sentence": exit_sentences.answer_exits(findings),
        "exit_cost": estimand_verdicts.measure(findings)[1],
        "certified_note": tables_estimands.certified(findings),
        "above_shortcut_sentence": sentences.targets_above_shortcuts(findings),
        "lacking_count": str(len(findings.tables["lacking"])),
        "left_out_count": f"{findings.tables['left_out']['rows'].sum():,}",
        **arms.sentences(findings),
        **captions.found(findings),
        **(_timed(findings) if findings.timed else {"untimed_sentence": sentences.untimed(findings)}),
    }


def _timed(findings: Findings) -> dict[str, str]:
    """The numbers and sentences that need timings, or tables that come with them."""
    timing, machine = findings.study["inference"], findings.provenance["timed"]["machine"]
    cells, noise = sentences.dense(findings), findings.tables["noise"]
    farthest = max(cells.itertuples(), key=lambda row: max(abs(row.low - 1), abs(row.high - 1)))
    counts = listed(f"{n} of {len(cells)} {verdict}" for verdict, n in cells.verdict.value_counts().items())
    shares = {
        "margin": timing["margin"],
        "planted": timing["planted"],
        "least_agreement": controls.LEAST,
        "trim": latency.TRIM,
        "stall": latency.STALL,
        "power": latency.POWER,
    }
    return {
        "cpu": machine["cpu"],
        "device": machine["device"],
        "cores": str(machine["cores"]),
        "engines": listed(name for name in timing["engines"] if name in set(noise.engine)),
        "engines_asked": listed(timing["engines"]),
        "engines_summary": sentences.engines_summary(findings),
        "reference_engine": REFERENCE.name,
        "replicates": str(timing["replicates"]),
        "timing_languages": listed(timing["languages"]),
        "timed_target": timing["target"],
        "requests_sentence": sentences.requests_differ(findings),
        **{f"{name}_percent": f"{100 * share:g}" for name, share in shares.items()},
        "answer_sentence": sentences.answer(findings),
        "answer_controls_sentence": sentences.answer_controls(findings),
        "search_sentence": sentences.search(findings),
        "dense_ratio_range": _ends(cells.ratio.min(), cells.ratio.max()),
        "dense_worst_interval": _ends(farthest.low, farthest.high),
        "dense_detectable": _ends(100 * cells.detectable.min(), 100 * cells.detectable.max(), 1, " %"),
        "dense_verdict_counts": counts,
        "aa_summary": sentences.aa_summary(findings),
        "planted_summary": sentences.planted_summary(findings),
        "disturbed_summary": sentences.disturbed_summary(findings),
        "work_sentence": work.sentence(findings),
        "subnormal_weights": str(findings.tables["checkpoints"].subnormals.sum()),
        **_costs(findings),
    }


def _ends(low: float, high: float, digits: int = 3, unit: str = "") -> str:
    """A range; if no timing of the study can be used, there is none."""
    return NOT_MEASURED if pd.isna(low) else f"{span(low, high, decimal, digits)}{unit}"


def _ran_on(about: dict) -> str:
    """Machine, date and commit of the timings, if there are any, and those of training and scoring if they differ."""
    trained = sentences.place(about)
    timed = sentences.place(about["timed"]) if provenance.timed(about) else trained
    return timed if timed == trained else f"timed on {timed}; trained and scored on {trained}"


def _material_note(findings: Findings) -> str:
    """Which rows the scores were computed on, and how to read them therefore."""
    study = findings.study
    if study["source"] == "embedded":
        return GENERATED
    others = findings.unofficial
    mirrored = "; how the mirror's rows differ from the official splits is for its own description to say"
    return (
        f"Rows are those of XTREME-R's data sets, from a {study['source']}{mirrored * (study['source'] == 'mirror')}. "
        f"Metrics are the official ones{', but for ' * bool(others)}{listed(others)}; retrieval compares sentence vectors that "
        "no retrieval training has touched. These are not "
        "XTREME-R results to compare with published ones: the encoder is the one named, training is as short as stated, with "
        f"at most {study['training']['train_rows']:,} training rows, and a sample of rows is scored, of the development split "
        "where test labels are lacking. They have one use: to compare durations on equal terms."
        + "".join(f" {note}" for note in (task(name).differs for name in study["targets"]) if note)
        + " Candidates are read without the paragraph they stand in." * (not study.get("candidate_context", True))
        + sentences.unofficial(findings)
    )


def _count(number: int) -> str:
    return f"{number / 1e6:.0f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"


def _items_per_language(study: dict) -> str:
    others = [f", {fit['items']} for {name}" for name, fit in study["targets"].items() if fit["items"]]
    return str(study["items"]) + "".join(others)


def _costs(findings: Findings) -> dict[str, str]:
    costs, jobs = findings.tables["costs"], findings.tables["jobs"]
    seconds = costs.groupby("part").seconds.sum()
    # Loading happens once per notebook because notebooks are apart: it counts as overhead, like their start-up.
    useful = seconds.drop(labels=["load"], errors="ignore").sum()
    total = jobs.seconds.sum() if len(jobs) else seconds.sum()
    trajectory = costs[costs.phase == "2_intermediate"].groupby("part").seconds.sum()
    minutes = {
        "total": total,
        "elapsed": elapsed(jobs) or total,
        "train": seconds.get("train", 0),
        "evaluate": seconds.get("evaluate", 0),
        "timing": seconds.get("time", 0),
    }
    return {
        **{f"{name}_minutes": decimal(spent / 60) for name, spent in minutes.items()},
        "overhead_percent": decimal(100 * (total - useful) / total, 0),
        "peak_memory_gb": decimal(peak_mb(jobs) / 1024) if len(jobs) else "not measured",
        "disk_gb": decimal(jobs.disk_mb.sum() / 1000) if len(jobs) else "not measured",
        "trajectory_overhead_ratio": decimal(
            (trajectory["train"] + trajectory.get("store", 0)) / trajectory["train"], 2
        ),
    }


def drawn(findings: Findings) -> dict[str, Callable[[], Figure]]:
    """Figure name -> what draws it; of a study that was not timed, those of quality."""
    tables, means = findings.tables, findings.quality[findings.quality.language == MEAN]
    shortcuts = tables["shortcuts"].groupby(["target", "baseline"], sort=False).score.mean().reset_index()
    changes = captions.ordered(findings, findings.changes[findings.changes.intermediate != CONTROL])
    layers = quality.with_differences(findings.layer_changes, findings.layers)
    return (_drawn_times(findings) if findings.timed else {}) | {
        "quality": partial(figures.quality, captions.changes(findings), captions.over_control(findings)),
        "curves": partial(figures.curves, findings.seeds, means, shortcuts, _unlearned(findings)),
        "languages": partial(figures.languages, changes),
        "layers": partial(figures.layers, layers),
        "fertility": partial(figures.fertility, findings.premiums.dropna(subset="premium")),
        "learning": partial(figures.learning, tables["training"], findings.learned.arms),
        **({"validation": partial(figures.validation, tables["validation"])} if len(tables["validation"]) else {}),
        **(_drawn_exits(findings) if findings.exits is not None or findings.timed else {}),
    }


def _drawn_exits(findings: Findings) -> dict:
    cost = estimand_verdicts.measure(findings)[1]
    return {"equal_accuracy": partial(figures.equal_accuracy, findings.exit_frontier, cost, EXIT_MARGIN)}


def _unlearned(findings: Findings) -> tuple[str, ...]:
    return tuple(target for target in findings.study["targets"] if not findings.learned.target(target))


def _drawn_times(findings: Findings) -> dict[str, Callable[[], Figure]]:
    """The figures that show times."""
    tables, ratios, controls = findings.tables, findings.ratios, findings.controls
    margin, planted = (findings.study["inference"][name] for name in ("margin", "planted"))
    return {
        "answer": partial(figures.answer, ratios, controls, captions.changes(findings), margin),
        "latency": partial(figures.latency, ratios, findings.effects, controls, margin, planted),
        "parts": partial(figures.parts, tables["timings"]),
        "variance": partial(figures.variance, findings.variance),
        "frontier": partial(figures.frontier, findings.exit_points if not findings.exits_unusable else pd.DataFrame()),
        "costs": partial(figures.costs, tables["costs"]),
    }
