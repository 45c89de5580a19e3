"""A study as one folder to carry to a machine without network: `python -m stilts_utils.workflow.pack studies/mini.yaml`.

`runs/<study>/pack` holds the code, the encoder cut down to the vocabulary of the study's texts, which gives the same
tokens and the same states, and, of a study on data sets, the rows that it reads, in hub layout.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from stilts_utils import ROOT
from stilts_utils.models import admission, encoder, packed_weights
from stilts_utils.study import settings, whole
from stilts_utils.study.source import MIRROR
from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError
from stilts_utils.training import provenance
from stilts_utils.workflow import pack_rows, pack_vocabulary
from stilts_utils.workflow.pack_rows import Read

ENCODER, DATA = "pack/encoder", "pack/data"  # from the root of the packed repository
LARGEST = 60  # MB
SAMPLE = 64  # texts whose states are compared

README = """# {title}, packed

The study `{study}` of this repository, with all that it reads; nothing needs a network but the installation.

```sh
make study STUDY={study}
```

- Code: commit {commit}. `studies/{study}.yaml` is `studies/{original}.yaml`, read from this folder.
- `pack/encoder`: {encoder} with the {pieces:,} of its {vocabulary:,} pieces that the study's {texts:,} texts need.
  Their tokens are the same, and the last hidden states of {sample} of them were compared: they are equal. Other texts
  may be cut into other tokens.
- Rows: {data}

Python 3.11 and the packages of `constraints.txt`. On a machine with network, of the same system and Python:

```sh
pip download -c constraints.txt -d wheels '.[run]' 'setuptools>=77' wheel
```

Carry the folder `wheels` along, and set `PIP_NO_INDEX=1 PIP_FIND_LINKS=$PWD/wheels` before `make study`.
"""
DATA_SETS = """{rows:,} rows of the study's data sets in `pack/data`, in hub layout, under their own licences. Rows that the
  study does not read are empty there. Leave {variable} unset."""
GENERATED = (
    "the study's tasks are generated from the translations that Babel, Django and Faker carry, which are packages."
)


class PackError(RuntimeError):
    """The study cannot be packed as asked."""


def texts(reads: list[Read]) -> set[pack_vocabulary.Text]:
    """Every text that the study's runs tokenise."""
    texts = {text for read in reads for text in pack_vocabulary.texts_of(read.rows)}
    return texts | {" ".join(text) for text in texts if isinstance(text, tuple)}  # fertility joins words


def write_encoder(complete: encoder.Encoder, used: set[pack_vocabulary.Text], folder: Path) -> dict:
    """Write the encoder cut to some texts. Returns how many texts, pieces, and compared texts there are.

    Raises PackError if a hidden state differs or a weight is not stored bit for bit.
    """
    cut, kept = pack_vocabulary.cut(complete, used | set(admission.TEXTS))  # which it is checked on when it is loaded
    plain = sorted(text for text in used if isinstance(text, str))
    sample = plain[:: max(1, len(plain) // SAMPLE)][:SAMPLE]
    if difference := pack_vocabulary.largest_difference(complete, cut, sample):
        raise PackError(f"last hidden states of the cut encoder differ by up to {difference}, allowed: 0")
    folder.mkdir(parents=True)
    cut.tokenizer.save_pretrained(folder)
    cut.model.config.save_pretrained(folder)
    weights = {name: tensor.cpu().contiguous().numpy() for name, tensor in cut.model.state_dict().items()}
    restored = packed_weights.unpack(packed_weights.pack(weights, folder))
    for name, values in weights.items():
        if not packed_weights.same_bits(restored[name], values).all():
            raise PackError(f"weights {name} are not stored bit for bit")
    return {"texts": len(used), "pieces": len(kept), "vocabulary": len(complete.tokenizer), "sample": len(sample)}


def write_code(folder: Path) -> str:
    """Copy the files of the working tree that git does not ignore. Returns their commit, with `+` if they differ."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        raise PackError(f"code: {ROOT} is no git checkout ({listed.stderr.strip()}); pack from a clone")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return provenance.commit()


def write_study(study_file: str, study: Study, name: str, folder: Path) -> None:
    """Write the study file that reads from the pack."""
    values = yaml.safe_load((ROOT / study_file).read_text(encoding="utf8")) | {"encoder": ENCODER}
    if study.source != "embedded":
        values |= {"source": "mirror", "mirror": DATA}
    if study.plugins:  # files lie beside the study file there
        values["plugins"] = [str(plugin) if plugin.version else plugin.file.name for plugin in study.plugins]
        for plugin in study.plugins:
            if not plugin.version:
                shutil.copy(plugin.file, folder / "studies")
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    (folder / "studies" / f"{name}.yaml").write_text(f"# {study_file}, read from this folder.\n{text}", encoding="utf8")


def sizes(folder: Path) -> dict[str, float]:
    """MB of the encoder, the rows and the code of a pack."""
    megabytes = dict.fromkeys(("encoder", "rows", "code"), 0.0)
    for file in folder.rglob("*"):
        if file.is_file():
            place = file.relative_to(folder).as_posix()
            part = "encoder" if place.startswith(ENCODER) else "rows" if place.startswith(DATA) else "code"
            megabytes[part] += file.stat().st_size / 1e6
    return megabytes


def pack(study_file: str, limit_mb: float = LARGEST) -> Path:
    """Pack a study, whole or not at all. Raises PackError if the pack is larger than the limit."""
    study = Study.load(study_file)
    folder = study.folder / "pack"
    name, reads = f"{study.name}_packed", list(pack_rows.of_study(study))
    about = {"title": study.title, "study": name, "original": study.name, "encoder": study.encoder}
    with whole.folder(folder) as made:
        about["commit"] = write_code(made)
        complete = encoder.load(settings.EncoderSpec(study.encoder, study.layers))
        about |= write_encoder(complete, texts(reads), made / ENCODER)
        data = GENERATED
        if study.source != "embedded":
            data = DATA_SETS.format(rows=pack_rows.write(reads, study.data_source, made / DATA), variable=MIRROR)
        write_study(study_file, study, name, made)
        (made / "PACK.md").write_text(README.format(data=data, **about), encoding="utf8")
        size = sizes(made)
        if sum(size.values()) > limit_mb:
            parts = ", ".join(f"{part} {value:.1f}" for part, value in size.items())
            raise PackError(
                f"the pack has {sum(size.values()):.1f} MB ({parts}), allowed: {limit_mb:g}; take fewer layers, "
                "languages, items or training rows, or raise the limit with --limit-mb"
            )
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a study file, such as studies/mini.yaml")
    parser.add_argument("--limit-mb", type=float, default=LARGEST, help="largest size of the pack")
    arguments = parser.parse_args()
    try:
        folder = pack(arguments.study, arguments.limit_mb)
    except (StudyError, PackError, pack_vocabulary.VocabularyError, ValueError) as error:
        print(error)
        return 2
    size = sizes(folder)
    parts = ", ".join(f"{part} {value:.1f}" for part, value in size.items())
    print(
        f"{folder.relative_to(ROOT)}: {sum(size.values()):.1f} MB ({parts}); {folder.name}/PACK.md says how to run it"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
