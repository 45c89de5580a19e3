#!/usr/bin/env bash
# The smoke study on a real Slurm of one node, started here on the loopback interface and stopped again: `make test-slurm`.
# One running job is killed, and must be started once more; then a notebook that fails must be named with its error; then
# the launcher is interrupted, and its jobs must end.
# Everything is done in a throw-away copy of the checkout.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
. "$ROOT/tests/slurm/cluster.sh"

passed=0
check() { # WHAT COMMAND...
    local what=$1
    shift
    if ! "$@"; then
        echo "FAILED: $what" >&2
        exit 1
    fi
    echo "ok: $what"
    passed=$((passed + 1))
}

if [ "$(id -u)" != 0 ]; then
    echo "this test links its configuration into /etc/slurm, so it needs root: try 'sudo make test-slurm'" >&2
    exit 1
fi
if ! command -v slurmctld >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        echo "this test needs slurmctld, slurmd and munged: install them with your package manager" >&2
        exit 1
    fi
    echo "installing Slurm"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
fi

VENV=${VENV:-$ROOT/.venv}
WORK=$(mktemp -d)
COPY=$WORK/checkout
STUDY_PID=
finish() {
    local code=$?
    trap - EXIT INT TERM
    [ -z "$STUDY_PID" ] || kill "$STUDY_PID" 2>/dev/null || true
    stop_cluster
    if [ "$code" != 0 ]; then
        find "$WORK" -path '*/runs/*/snakemake.log' -o -path '*/slurm_logs/*.log' -o -path '*/cluster/*.log' -o -name '*.out' |
            sort | xargs --no-run-if-empty tail -n 15
    fi
    rm -rf "$WORK"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

chmod 755 "$WORK"
mkdir "$COPY"
(cd "$ROOT" && tar -c --exclude=./.venv --exclude=./.git --exclude=./runs --exclude=./.snakemake .) | tar -x -C "$COPY"
# The environment is that of the checkout; the code is the copy's, also in notebooks.
export PYTHONPATH=$COPY PYTHONDONTWRITEBYTECODE=1
study() { # STUDY, in a shell of its own
    exec make --no-print-directory -C "$COPY" study VENV="$VENV" PROFILE=slurm STUDY="$1"
}

start_cluster "$WORK/cluster"

# running PART: a job at work whose rule and run have this in their name
running() { squeue --noheader --states=running --format='%i %k' | awk -v part="$1" 'index($2, part) { print $1; exit }'; }
is_running_or_over() { [ -n "$(running "$1")" ] || ! kill -0 "$STUDY_PID"; }
jobs_of() { squeue --noheader --states=all --format='%k|%h|%C|%T' | grep "$1"; }

study smoke >"$WORK/smoke.out" 2>&1 &
STUDY_PID=$!
wait_for 240 "for a run of the phase 3_target" is_running_or_over _3_target_
lost=$(running _3_target_)
if [ -n "$lost" ]; then scancel "$lost" && echo "killed job $lost"; fi
if ! wait "$STUDY_PID"; then
    STUDY_PID=
    cat "$WORK/smoke.out" >&2
    check "the smoke study runs through Slurm" false
fi
STUDY_PID=
cat "$WORK/smoke.out"
RUN=$COPY/runs/smoke
check "the smoke study runs through Slurm" grep -q '^book: runs/smoke/book/_build/html/index.html' "$WORK/smoke.out"
check "the killed job was started once more" test "$(grep -c 'Trying to restart job' "$RUN/snakemake.log")" = 1
check "nothing is said of it at the end" test "$(grep -c '^failed:' "$WORK/smoke.out")" = 0
for table in fertility training checkpoints scores timings noise; do
    check "there are tables of $table" test -n "$(find "$RUN" -name "$table.parquet" -print -quit)"
done
check "the timing run had the node to itself, with all its cores" test "$(jobs_of _4_inference_ | cut -d'|' -f2-)" = "NO|$(nproc)|COMPLETED"
check "the other runs had one core each" test "$(jobs_of _3_target_ | cut -d'|' -f3 | sort -u)" = 1

# A notebook that fails, in its first cell.
cp "$COPY/studies/smoke.yaml" "$COPY/studies/broken.yaml"
python3 - "$COPY/notebooks/1_pretrained.ipynb" <<'PYTHON'
import json, sys
notebook = json.load(open(sys.argv[1], encoding="utf8"))
cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
cell["source"].append("\nraise RuntimeError('broken on purpose')")
json.dump(notebook, open(sys.argv[1], "w", encoding="utf8"))
PYTHON
code=0
(study broken) >"$WORK/broken.out" 2>&1 || code=$?
cat "$WORK/broken.out"
FAILED=runs/broken/1_pretrained/baseline/log.ipynb
check "a study with a notebook that fails ends with an error" test "$code" != 0
check "the launcher names the notebook and its error" grep -q "^failed: $FAILED: RuntimeError: broken on purpose" "$WORK/broken.out"
check "the notebook is kept with its traceback" grep -q '"output_type": "error"' "$COPY/$FAILED"
check "no job is left" test -z "$(squeue --noheader)"

# A study that trains on GPUs, interrupted as soon as a run is at work.
cp "$ROOT/notebooks/1_pretrained.ipynb" "$COPY/notebooks/"
{ cat "$COPY/studies/smoke.yaml"; echo "gpus: 1"; } >"$COPY/studies/interrupted.yaml"
study interrupted >"$WORK/interrupted.out" 2>&1 &
STUDY_PID=$!
wait_for 60 "for a run" is_running_or_over rule_run
last=$(running rule_run)
kill "$STUDY_PID"
wait "$STUDY_PID" || true
STUDY_PID=
cat "$WORK/interrupted.out"
wait_for 30 "for the jobs to end" sh -c '[ -z "$(squeue --noheader)" ]'
ended() { squeue --noheader --states=all --jobs="$last" --Format=state:20,tres-per-job:30 | xargs; }
check "an interrupted launcher cancels its jobs, which had asked for a GPU" test "$(ended)" = "CANCELLED gres:gpu:1"
echo "$passed passed, 0 failed"
