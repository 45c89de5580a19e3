"""Numbers, tables and figures of the book, written from the findings into one folder."""

import json
from pathlib import Path

import pandas as pd

from stilts_utils.analysis import controls, exit_effects, factors, latency
from stilts_utils.analysis.findings import MEAN, Findings
from stilts_utils.report import figures, sentences, tables_engines
from stilts_utils.report import tables as report_tables
from stilts_utils.report.figures.pipeline import draw_pipeline
from stilts_utils.report.sentences import listed
from stilts_utils.study import whole
from stilts_utils.study.engines import REFERENCE
from stilts_utils.study.settings import CONTROL
from stilts_utils.tables.jobs import elapsed, peak_mb
from stilts_utils.tasks import task

KINDS = {
    "packaged": "It is a real pretrained encoder, distilled from XLM-R and then trained contrastively, with 4-bit weights "
    "expanded to floats: not a pure masked-language model, and it has seen pairs like those of NLI and QA.",
    "random": "It has random weights: this run tests the machinery and says nothing about language.",
}
GENERATED = (
    "Every target is generated from translated interface messages and locale data. **No score of this study is an XTREME-R "
    "score**, and none should be compared with one."
)


def write(found: Findings, folder: Path | str) -> dict[str, str]:
    """Write `numbers.json` and `generated/` (Markdown tables, SVG figures), whole or not at all. Returns the numbers."""
    with whole.folder(Path(folder)) as made:
        (made / "generated").mkdir()
        values = numbers(found)
        (made / "numbers.json").write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
        for name, frame in report_tables.every(found).items():
            (made / "generated" / f"{name}.md").write_text(report_tables.markdown(frame), encoding="utf8")
        for name, figure in drawn(found).items():
            figures.save(figure, made / "generated" / f"{name}.svg")
        draw_pipeline(made / "generated" / "pipeline.svg")
    return values


def numbers(found: Findings) -> dict[str, str]:
    """Every number and sentence that the pages name, formatted."""
    about, study = found.provenance, found.study
    timing, machine, encoder = study["inference"], about["timed"]["machine"], about["encoder"]
    cells, noise = sentences.dense(found), found.tables["noise"]
    fewest, most = sentences.premium_extremes(found)
    farthest = max(cells.itertuples(), key=lambda row: max(abs(row.low - 1), abs(row.high - 1)))
    counts = listed(f"{n} of {len(cells)} {verdict}" for verdict, n in cells.verdict.value_counts().items())
    return {
        "study_title": study["title"],
        "material_note": _material_note(study),
        "encoder_name": sentences.encoder_name(found),
        "encoder_layers": str(encoder["layers"]),
        "warmup_steps": str(study["training"]["warmup_steps"]),
        "middle_layer": str(found.middle),
        "encoder_hidden": str(encoder["hidden"]),
        "encoder_parameters": _count(encoder["parameters"]),
        "encoder_kind_note": KINDS.get(encoder["name"], "Its weights come from the model hub or a local folder."),
        "cpu": machine["cpu"],
        "device": machine["device"],
        "cores": str(machine["cores"]),
        "precision": encoder["precision"],
        "engines": listed(name for name in timing["engines"] if name in set(noise.engine)),
        "engines_asked": listed(timing["engines"]),
        "engines_summary": tables_engines.summary(found),
        "reference_engine": REFERENCE.name,
        "ran_on": _ran_on(about),
        "run_note": about.get("note", "No repetition and no change by hand was noted."),
        **{f"versions_{name}": about["versions"][name] for name in ("torch", "transformers", "python")},
        "languages_count": str(len(study["languages"])),
        "languages_list": listed(study["languages"]),
        "intermediate_tasks": listed(study["intermediate"]),
        "durations_list": listed(found.durations),
        "longest_duration": str(found.longest),
        "seeds_count": str(len(study["seeds"])),
        "seeds_list": listed(study["seeds"]),
        "targets_list": listed(study["targets"]),
        "fit_steps": listed(f"{sum(fit['steps'])} ({name})" for name, fit in study["targets"].items() if fit["steps"]),
        "validation_targets": listed(t for t, split in about["splits"].items() if split == "validation") or "none",
        "items_per_language": _items_per_language(study),
        "replicates": str(timing["replicates"]),
        "timing_languages": listed(timing["languages"]),
        "timed_target": timing["target"],
        "requests_sentence": sentences.requests_asked(found),
        "margin_percent": f"{100 * timing['margin']:g}",
        "planted_percent": f"{100 * timing['planted']:g}",
        "least_agreement_percent": f"{100 * controls.LEAST:g}",
        "trim_percent": f"{100 * latency.TRIM:g}",
        "stall_percent": f"{100 * latency.STALL:g}",
        "power_percent": f"{100 * latency.POWER:g}",
        "answer_sentence": sentences.answer(found),
        "answer_quality_sentence": sentences.answer_quality(found),
        "answer_controls_sentence": sentences.answer_controls(found),
        "answer_exits_sentence": sentences.answer_exits(found),
        "search_sentence": sentences.search(found),
        "dense_ratio_range": f"{cells.ratio.min():.3f} to {cells.ratio.max():.3f}",
        "dense_worst_interval": f"{farthest.low:.3f} to {farthest.high:.3f}",
        "dense_detectable": f"{100 * cells.detectable.min():.1f} to {100 * cells.detectable.max():.1f} %",
        "dense_verdict_counts": counts,
        "aa_summary": sentences.aa_summary(found),
        "planted_summary": sentences.planted_summary(found),
        "disturbed_summary": sentences.disturbed_summary(found),
        "premium_highest_language": most.language,
        "premium_highest": f"{most.premium:.2f}",
        "premium_lowest_language": fewest.language,
        "premium_lowest": f"{fewest.premium:.2f}",
        "subnormal_weights": str(found.tables["checkpoints"].subnormals.sum()),
        "above_shortcut_sentence": sentences.above_shortcuts(found),
        "lacking_count": str(len(found.tables["lacking"])),
        **_costs(found),
        **sentences.claims(found),
    }


def _ran_on(about: dict) -> str:
    """Machine, date and commit of the timings, and of what came before them where that is another."""
    names = {}
    for part in (about["timed"], about):
        machine = part["machine"]
        commit = part["commit"].replace("+", " with uncommitted changes")
        where = machine["cpu"] if machine["device"] == "CPU" else f"{machine['device']}, {machine['cpu']}"
        names[f"{where}, {machine['cores']} cores, {part['date']}, commit {commit}"] = None
    timed, *before = names
    return f"timed on {timed}; trained and scored on {before[0]}" if before else timed


def _material_note(study: dict) -> str:
    """What the scores are scores of, and what that means for reading them."""
    if study["source"] == "embedded":
        return GENERATED
    mirrored = "; how the mirror's rows differ from the official splits is for its own description to say"
    return (
        f"Rows are those of XTREME-R's data sets, from a {study['source']}{mirrored * (study['source'] == 'mirror')}. Metrics "
        "are the official ones; retrieval compares sentence vectors that no retrieval training has touched. These are not "
        "XTREME-R results to compare with published ones: the encoder is the one named, training is as short as stated, with "
        f"at most {study['training']['train_rows']:,} training rows, and a sample of rows is scored, of the development split "
        "where test labels are lacking. They have one use: to compare durations on equal terms."
        + "".join(f" {note}" for note in (task(name).differs for name in study["targets"]) if note)
        + " Candidates are read without the paragraph they stand in." * (not study.get("candidate_context", True))
    )


def _count(number: int) -> str:
    return f"{number / 1e6:.0f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"


def _items_per_language(study: dict) -> str:
    own = {name: fit["items"] for name, fit in study["targets"].items() if fit["items"]}
    return str(study["items"]) + "".join(f", {items} for {name}" for name, items in own.items())


def _costs(found: Findings) -> dict[str, str]:
    costs, jobs = found.tables["costs"], found.tables["jobs"]
    seconds = costs.groupby("part").seconds.sum()
    # Loading happens once per notebook because notebooks are apart: it counts as overhead, like their start-up.
    useful = seconds.drop(labels=["load"], errors="ignore").sum()
    total = jobs.seconds.sum() if len(jobs) else seconds.sum()
    trajectory = (
        costs[(costs.phase == "2_intermediate") & costs.part.isin(["train", "store"])].groupby("part").seconds.sum()
    )
    return {
        "total_minutes": f"{total / 60:.1f}",
        "elapsed_minutes": f"{(elapsed(jobs) or total) / 60:.1f}",
        "train_minutes": f"{seconds.get('train', 0) / 60:.1f}",
        "evaluate_minutes": f"{seconds.get('evaluate', 0) / 60:.1f}",
        "timing_minutes": f"{seconds.get('time', 0) / 60:.1f}",
        "overhead_percent": f"{100 * (total - useful) / total:.0f}",
        "peak_memory_gb": f"{peak_mb(jobs) / 1024:.1f}" if len(jobs) else "not measured",
        "disk_gb": f"{jobs.disk_mb.sum() / 1000:.1f}" if len(jobs) else "not measured",
        "trajectory_overhead_ratio": f"{trajectory.sum() / trajectory['train']:.2f}",
    }


def _frontier(found: Findings) -> pd.DataFrame:
    """Quality against latency by early exit; no rows where the study has none."""
    if found.exits is None or found.exits_unusable:
        return pd.DataFrame()
    return exit_effects.frontier(found.exits, found.tables["exit_timings"])


def drawn(found: Findings) -> dict:
    """Figure name -> matplotlib figure."""
    tables, timing = found.tables, found.study["inference"]
    quality_mean = found.quality[found.quality.language == MEAN]
    shortcuts = tables["shortcuts"]
    by_baseline = shortcuts.groupby(["target", "baseline"], sort=False).score.mean().reset_index()
    arms = found.changes[found.changes.intermediate != CONTROL]
    return {
        "answer": figures.answer(found.ratios, found.controls, quality_mean, timing["margin"]),
        "latency": figures.latency(found.ratios, found.effects, found.controls, timing["margin"], timing["planted"]),
        "parts": figures.parts(tables["timings"]),
        "variance": figures.variance(factors.shares(found.balanced_timings)),
        "frontier": figures.frontier(_frontier(found)),
        "quality": figures.quality(found.seeds, quality_mean, by_baseline),
        "languages": figures.languages(arms),
        "layers": figures.layers(found.layers),
        "fertility": figures.fertility(found.premiums.dropna().rename(columns={"premium": "ratio"})),
        "costs": figures.costs(tables["costs"]),
        "learning": figures.learning(tables["training"]),
    }
