"""What each rule asks for on a cluster, as Snakemake itself says in a dry run; Jobs of Kubernetes; the image of Apptainer."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from snakemake_executor_plugin_slurm.utils import set_gres_string

from stilts_utils import ROOT

JOB = re.compile(
    r"^rule (?P<rule>\w+):\n(?:    (?!wildcards|threads|resources).*\n)*"
    r"(?:    wildcards: phase=(?P<phase>\w+), .*\n)?(?:    priority: .*\n)?"
    r"(?:    threads: (?P<threads>\d+)\n)?    resources: (?P<resources>.*)",
    re.MULTILINE,
)
RULES = ("1_pretrained", "2_intermediate", "3_target", "4_inference", "findings", "book")


class Resources(dict):
    """Resources of a job as a plugin reads them: by name or as attributes."""

    __getattr__ = dict.__getitem__


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """`asked(profile)`: phase or rule -> its resources, with its threads, of a study with GPUs and two threads."""
    study = yaml.safe_load((ROOT / "studies/smoke.yaml").read_text(encoding="utf8"))
    study |= {"gpus": 1, "training": study["training"] | {"threads": 2}}
    path = tmp_path_factory.mktemp("studies") / "clustered.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf8")
    known = {}

    def ask(profile):
        if profile not in known:
            command = [sys.executable, "-m", "snakemake", "--dry-run", "--workflow-profile", f"profiles/{profile}"]
            command += ["--config", f"study={path}"]
            printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert printed.returncode == 0, printed.stdout + printed.stderr
            known[profile] = {}
            for job in JOB.finditer(printed.stdout):
                resources = dict(item.split("=", 1) for item in job["resources"].split(", "))
                known[profile][job["phase"] or job["rule"]] = resources | {"threads": job["threads"] or "1"}
        return known[profile]

    return ask


@pytest.mark.parametrize("profile", ["slurm", "kubernetes"])
@pytest.mark.parametrize("name", RULES)
def test_every_rule_says_how_much_memory_it_needs(asked, profile, name):
    assert int(asked(profile)[name]["mem_mb"]) >= 1000


@pytest.mark.parametrize("name", RULES)
def test_every_slurm_job_has_a_longest_run_time(asked, name):
    assert int(asked("slurm")[name]["runtime"]) > 0


def test_a_timing_run_asks_slurm_for_a_whole_node_and_the_gpu_of_the_study(asked):
    timing = asked("slurm")["4_inference"]
    assert timing["slurm_extra"] == "--exclusive"
    assert timing["cpus_per_task"] == "-1"  # no number of cores, so all that the node has
    assert timing["gpu"] == "1"


@pytest.mark.parametrize(
    ("lines", "asks"),
    [(["gpu_model"], "--gpus=a100:1"), (["gres", "gpu"], "--gres=gpu:a100:1")],
)
def test_a_type_of_gpu_is_asked_for_as_the_profile_says(lines, asks):
    text = (ROOT / "profiles/slurm/config.yaml").read_text(encoding="utf8")
    for line in lines:
        text, count = re.subn(rf"(?m)^    # ({line}:)", r"    \1", text)
        assert count == 1
    given = {"gpu": 1} | {
        name: yaml.safe_load(value) if isinstance(value, str) else value
        for name, value in yaml.safe_load(text)["set-resources"]["run"].items()
        if name in ("gpu", "gpu_model", "gres")
    }
    assert set_gres_string(SimpleNamespace(resources=Resources(given))).strip() == asks


@pytest.mark.parametrize("phase", RULES[:3])
def test_other_runs_ask_slurm_for_their_threads_and_the_gpu_of_the_study(asked, phase):
    run = asked("slurm")[phase]
    assert run["slurm_extra"] == ""
    assert run["cpus_per_task"] == run["threads"] == "2"
    assert run["gpu"] == "1"


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_what_the_submit_script_of_kubernetes_names(asked, name):
    found = asked("kubernetes")[name]
    assert found["gpu"] == ("1" if name in RULES[:4] else "0")
    assert found["timing"] == ("100" if name == "4_inference" else "1")


def test_the_image_has_the_python_and_the_torch_of_the_repository():
    recipe = (ROOT / "profiles/apptainer.def").read_text(encoding="utf8")
    python = re.search(r"(?m)^PYTHON\s+\?= python(.+)$", (ROOT / "Makefile").read_text(encoding="utf8"))[1]
    torch = re.search(r"(?m)^torch==(.+)$", (ROOT / "constraints.txt").read_text(encoding="utf8"))[1]
    assert f"\nFrom: python:{python}-slim\n" in recipe and f'== "{torch}"' in recipe
    for source in re.findall(r"(?m)^    (\S+) /opt/stilts/\1$", recipe):
        assert (ROOT / source).exists()
    assert "-c constraints.txt" in recipe


KUBECTL = """#!/bin/sh
echo "$@" > "$KUBECTL_OUT.arguments"
[ "$1" != create ] || cat > "$KUBECTL_OUT"
printf '%s' "$KUBECTL_SAYS"
exit "$KUBECTL_EXITS"
"""


@pytest.fixture
def kubernetes(tmp_path):
    """`kubernetes(script, *arguments)`: run a script of the profile with a stand-in for kubectl."""
    (tmp_path / "kubectl").write_text(KUBECTL, encoding="utf8")
    (tmp_path / "kubectl").chmod(0o755)
    variables = {"STILTS_CLAIM": "work", "STILTS_VOLUME": "/work", "STILTS_IMAGE": "python:3.11"}

    def run(script, *arguments, says="job.batch/stilts-1", exits=0, **more):
        environment = os.environ | variables | more
        environment |= {"KUBECTL_OUT": str(tmp_path / "out"), "KUBECTL_SAYS": says, "KUBECTL_EXITS": str(exits)}
        environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
        command = [str(ROOT / "profiles/kubernetes" / script), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        made = tmp_path / "out"
        return done, yaml.safe_load(made.read_text(encoding="utf8")) if made.is_file() else None

    return run


def pod_of(job):
    return job["spec"]["template"]["spec"]


def test_a_job_runs_the_script_of_snakemake_in_the_checkout(kubernetes, tmp_path):
    done, job = kubernetes("submit.sh", "2", "4000", "1", "1", "snakejob.sh", STILTS_NODES="pool=stilts")
    assert (done.returncode, done.stdout) == (0, "job.batch/stilts-1")
    pod, container = pod_of(job), pod_of(job)["containers"][0]
    assert container["command"] == ["/bin/sh", "snakejob.sh"] and container["workingDir"] == str(tmp_path)
    assert container["resources"]["limits"] == {"cpu": 2, "memory": "4000M", "nvidia.com/gpu": 1}
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "work"
    assert container["volumeMounts"][0]["mountPath"] == "/work"
    assert pod["nodeSelector"] == {"pool": "stilts"}
    assert job["spec"]["backoffLimit"] == 0 and pod["restartPolicy"] == "Never"


@pytest.mark.parametrize(
    ("timing", "label", "kept_away"),
    [("100", "yes", {"app": "stilts"}), ("1", "no", {"app": "stilts", "timing": "yes"})],
)
def test_no_pod_of_the_study_shares_a_node_with_one_that_times(kubernetes, timing, label, kept_away):
    _, job = kubernetes("submit.sh", "8", "4000", "0", timing, "snakejob.sh")
    assert job["spec"]["template"]["metadata"]["labels"] == {"app": "stilts", "timing": label}
    rules = pod_of(job)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rules[0]["labelSelector"]["matchLabels"] == kept_away
    assert "nvidia.com/gpu" not in pod_of(job)["containers"][0]["resources"]["limits"]


def test_a_variable_that_is_not_set_is_named(kubernetes):
    done, job = kubernetes("submit.sh", "1", "4000", "0", "1", "snakejob.sh", STILTS_CLAIM="")
    assert done.returncode != 0 and "STILTS_CLAIM" in done.stderr and job is None


@pytest.mark.parametrize(
    ("says", "exits", "status"),
    [
        ("job 1/", 0, "success"),
        ("job /", 0, "running"),
        ("job /1", 0, "failed"),
        ("", 0, "failed"),  # it is gone
        ("", 1, "running"),  # the server does not answer
    ],
)
def test_the_status_of_a_job(kubernetes, says, exits, status):
    done, _ = kubernetes("status.sh", "job.batch/stilts-1", says=says, exits=exits)
    assert (done.returncode, done.stdout) == (0, f"{status}\n")


def test_jobs_are_cancelled_by_name(kubernetes, tmp_path):
    done, _ = kubernetes("cancel.sh", "job.batch/stilts-1", "job.batch/stilts-2")
    assert done.returncode == 0
    assert "job.batch/stilts-1 job.batch/stilts-2" in (tmp_path / "out.arguments").read_text(encoding="utf8")
