# The graph of runs. What there is to run, and with which parameters, is the study's: see stilts_utils/study/study.py.
import os

from stilts_utils.study import Study
from stilts_utils.study.place import MARK
from stilts_utils.tables import harmless
from stilts_utils.tables.digests import code_of
from stilts_utils.tables.identity import of_run
from stilts_utils.workflow import memory, surroundings
from stilts_utils.workflow.budget import CHECKED, TIMED, by_cell
from stilts_utils.workflow.dependencies import pages
from stilts_utils.workflow.status import states

surroundings.prepare()
study = Study.load(config["study"])
os.environ[MARK] = str(study.folder)
runs = {run.key: run for run in study.runs()}
identities = {key: of_run(study, run.phase, run.given).digest for key, run in runs.items()}
order = {run.key: place for place, run in enumerate(reversed(by_cell(study)), 1)}
memory_mb = memory.asked_mb(study)
outdated = {state.run.key for state in states(study) if not state.done}
base = f"runs/{study.name}"


wildcard_constraints:
    phase=r"[1-4]_\w+",
    run=r"[^/]+",


# Every notebook is asked for, not the book alone: what a reader deletes is then made again.
rule all:
    input:
        f"{base}/book/_build/html/index.html",
        f"{base}/5_findings/report",
        expand(f"{base}/{{key}}/notebook.ipynb", key=runs),


def before(key):
    files = [f"{base}/{earlier}/notebook.ipynb" for earlier in runs[key].after]
    return files if key in outdated else [ancient(file) for file in files]


rule run:
    input:
        # All that its results depend on is in its identity. Files say the order alone: a heading that someone wrote changes
        # nothing, and neither does a run before it that runs again for reasons of its own. The runs before a run that is
        # outdated count in full: Snakemake looks for no other reason where it expects that one.
        notebook=ancient("notebooks/{phase}.ipynb"),
        after=lambda w: before(f"{w.phase}/{w.run}"),
    output:
        notebook=f"{base}/{{phase}}/{{run}}/notebook.ipynb",
        tables=directory(f"{base}/{{phase}}/{{run}}/tables"),
    log:
        f"{base}/{{phase}}/{{run}}/log.ipynb",
    benchmark:
        f"{base}/{{phase}}/{{run}}/benchmark.tsv"
    params:
        parameters=lambda w, output: runs[f"{w.phase}/{w.run}"].as_json(config["study"], output.tables),
        identity=lambda w: identities[f"{w.phase}/{w.run}"],
    # Whole cells first, so that an interrupted study is a complete smaller one. Phase 1 comes before all: it checks encoder
    # and engines, nothing else begins before, and nothing if it fails. Its finding is no input of a run. What has the machine to
    # itself must outweigh all that could go side by side instead: Snakemake adds up the priorities of what it starts at once.
    priority: lambda w: order[f"{w.phase}/{w.run}"] * (1000 if w.phase in (CHECKED, TIMED) else 1)
    threads: lambda w: workflow.cores if w.phase == "4_inference" else study.training.threads
    resources:
        checking=lambda w: 100 if w.phase == "1_pretrained" else 1,
        # A run that times must have the machine to itself.
        timing=lambda w: 100 if w.phase == "4_inference" else 1,
        gpu=study.gpus,
        # One that was lost, maybe for want of memory, asks for twice as much.
        mem_mb=lambda w, attempt: attempt * memory_mb[w.phase],
    shell:
        "papermill {input.notebook:q} {log:q} -y {params.parameters:q} -k " + surroundings.KERNEL +
        " --no-progress-bar --log-level ERROR && cp {log:q} {output.notebook:q}"


rule findings:
    input:
        notebook=ancient("notebooks/5_findings.ipynb"),
        runs=expand(f"{base}/{{key}}/notebook.ipynb", key=runs),
    output:
        notebook=f"{base}/5_findings/notebook.ipynb",
        report=directory(f"{base}/5_findings/report"),
    log:
        f"{base}/5_findings/log.ipynb",
    benchmark:
        f"{base}/5_findings/benchmark.tsv"  # read by stilts_utils/workflow/progress.py
    params:
        code=code_of("notebooks/5_findings.ipynb"),
        declared=str(harmless.declared(study.folder)),
    shell:
        "papermill {input.notebook:q} {log:q} -p tables {base:q} -p out {output.report:q} -k " + surroundings.KERNEL +
        " --no-progress-bar --log-level ERROR && cp {log:q} {output.notebook:q}"


rule book:
    input:
        pages=pages(),
        report=rules.findings.output,
    output:
        f"{base}/book/_build/html/index.html",
    log:
        f"{base}/book.log",
    benchmark:
        f"{base}/book.tsv"
    params:
        code=code_of("stilts_utils/report/book.py"),
    shell:
        "rm -rf {base:q}/book && python -m stilts_utils.report.book {base:q} > {log:q} 2>&1"
