#!/bin/sh
# The reading path stands alone: in a copy of the tracked files and an environment with the base requirements only, the
# book builds without a warning and without torch.
set -e
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$place"
# The reports of the largest studies, if the tests made them. mini and adaptive are analysed here, with every kind of table;
# that no reading module imports more, tests/test_rooms.py checks.
for report in runs/cache/reports/xtreme_r_*; do
    if [ -d "$report" ]; then cp -R --parents -t "$place" "$report"; fi
done
cd "$place"
unset PYTHONPATH STILTS_CACHE STILTS_RUN PYTHONDONTWRITEBYTECODE
"${PYTHON:-python3.11}" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e .
if .venv/bin/python -c 'import torch' 2>/dev/null; then
    echo "the base requirements install torch: reading results must not need it"
    exit 1
fi
.venv/bin/jupyter-book build -W --keep-going . >book.log 2>&1 || { grep -E 'WARNING|ERROR|BookError: ' book.log || tail -n 20 book.log; exit 1; }
grep -q 'class="[^"]*answer' _build/html/book/index.html
echo "the book builds from base requirements alone"
