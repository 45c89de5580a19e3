# The graph of runs. What there is to run, and with which parameters, is the study's: see stilts_utils/study/study.py.
from stilts_utils.study import Study
from stilts_utils.tables.digests import code_of, environment
from stilts_utils.workflow.dependencies import pages

study = Study.load(config["study"])
runs = {run.key: run for run in study.runs()}
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


rule run:
    input:
        # Its code is a parameter; a heading or an output of a notebook that someone saved changes nothing.
        notebook=ancient("notebooks/{phase}.ipynb"),
        after=lambda w: [f"{base}/{key}/notebook.ipynb" for key in runs[f"{w.phase}/{w.run}"].after],
    output:
        notebook=f"{base}/{{phase}}/{{run}}/notebook.ipynb",
        tables=directory(f"{base}/{{phase}}/{{run}}/tables"),
    log:
        f"{base}/{{phase}}/{{run}}/log.ipynb",
    benchmark:
        f"{base}/{{phase}}/{{run}}/benchmark.tsv"
    params:
        parameters=lambda w, output: runs[f"{w.phase}/{w.run}"].as_json(config["study"], output.tables),
        settings=lambda w: runs[f"{w.phase}/{w.run}"].settings,
        # A plot that a page shows is no part of what it computes.
        code=lambda w: code_of(f"notebooks/{w.phase}.ipynb", without=("report",)),
        environment=environment(),
    # It checks encoder and engines: nothing else begins before, and nothing if it fails. What it finds is no input of a run.
    priority: lambda w: int(w.phase == "1_pretrained")
    threads: lambda w: workflow.cores if w.phase == "4_inference" else study.training.threads
    resources:
        checking=lambda w: 100 if w.phase == "1_pretrained" else 1,
        # A run that times must have the machine to itself.
        timing=lambda w: 100 if w.phase == "4_inference" else 1,
        gpu=study.gpus,
        mem_mb=16000 if study.source == "hub" else 4000,
    shell:
        "papermill {input.notebook} {log} -y {params.parameters:q} -k python3 --no-progress-bar --log-level ERROR"
        " && cp {log} {output.notebook}"


rule findings:
    input:
        notebook=ancient("notebooks/5_findings.ipynb"),
        runs=expand(f"{base}/{{key}}/notebook.ipynb", key=runs),
    output:
        notebook=f"{base}/5_findings/notebook.ipynb",
        report=directory(f"{base}/5_findings/report"),
    log:
        f"{base}/5_findings/log.ipynb",
    params:
        code=code_of("notebooks/5_findings.ipynb"),
    shell:
        "papermill {input.notebook} {log} -p tables {base} -p out {output.report}"
        " -k python3 --no-progress-bar --log-level ERROR && cp {log} {output.notebook}"


rule book:
    input:
        pages=pages(),
        report=rules.findings.output,
    output:
        f"{base}/book/_build/html/index.html",
    log:
        f"{base}/book.log",
    params:
        code=code_of("stilts_utils/report/book.py"),
    shell:
        "rm -rf {base}/book && python -m stilts_utils.report.book {base} > {log} 2>&1"
