"""What surrounds a study's processes: a Jupyter kernel of this environment, and folders that can be written.

Another environment can have put its own `python3` kernel where Jupyter looks first, and a cluster's nodes often have a home
that is read-only. A study depends on neither.
"""

import json
import os
import sys
from pathlib import Path

from stilts_utils import ROOT
from stilts_utils.study import whole
from stilts_utils.study.settings import CACHE

KERNEL = "stilts"
HOMES = (
    "HOME",
    "IPYTHONDIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "MPLCONFIGDIR",
    "XDG_CACHE_HOME",
)


def prepare(runs: Path = ROOT / "runs") -> list[str]:
    """Set the environment variables of this process and of those it starts. Returns what had to be replaced, in words."""
    said = []
    if not _writable(Path.home()):
        said.append(f"the home {Path.home()} cannot be written: {runs / 'home'} takes its place")
        if (hub := Path.home() / ".cache" / "huggingface").is_dir():
            os.environ.setdefault("HF_HOME", str(hub))  # it can be read
        for name in HOMES:
            os.environ[name] = str(runs / "home") if name == "HOME" else str(runs / "home" / name.lower())
    cache = ROOT / os.environ.get(CACHE, "runs/cache")
    if not _writable(cache):
        said.append(f"the cache {cache} cannot be written: {runs / 'cache'} takes its place")
        os.environ[CACHE] = str(runs / "cache")
    _write_kernel(runs / "jupyter" / "kernels" / KERNEL)
    path = os.environ.get("JUPYTER_PATH", "")
    first = str(runs / "jupyter")
    if first not in path.split(os.pathsep):
        os.environ["JUPYTER_PATH"] = os.pathsep.join([first, path] if path else [first])
    return said


def _writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself where it would lie."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".stilts-{os.getpid()}"
        trial.touch()
        trial.unlink()
    except OSError:
        return False
    return True


def _write_kernel(folder: Path) -> None:
    """A kernel that is the Python of this process."""
    spec = {
        # A warning about the transport, which never leaves this machine, is no part of a log.
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"],
        "display_name": "Python of this study",
        "language": "python",
        "metadata": {"debugger": False},
    }
    text = json.dumps(spec, indent=1) + "\n"
    file = folder / "kernel.json"
    if not file.is_file() or file.read_text(encoding="utf8") != text:
        with whole.file(file, shared=True) as temporary:
            temporary.write_text(text, encoding="utf8")
