"""What a folder must hold to be an encoder, and how to convert one that holds it in another form."""

from pathlib import Path

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PYTORCH_WEIGHTS = ("pytorch_model*.bin",)
OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.ckpt.index", "*.h5", "*.msgpack", "*.onnx")
ADAPTERS = ("adapter_config.json", "adapter_model.*", "pytorch_adapter.bin")
POINTER = b"version https://git-lfs"  # the first bytes of a file that Git LFS stands in for
LARGEST_POINTER = 1024  # bytes


def fault(folder: Path) -> str:
    """Why a folder is no encoder in a form that is read here and what to do about it, or the empty string."""
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    names = {file.name for file in files}
    for file in files:
        if file.stat().st_size <= LARGEST_POINTER and file.read_bytes().startswith(POINTER):
            return (
                f"{file.name} is a Git LFS pointer, which stands for a file that was not downloaded; run `git lfs pull` "
                "in the repository that the folder is from"
            )
    if adapters := _matching(folder, ADAPTERS):
        return (
            f"it holds an adapter ({adapters[0]}) and not a whole encoder; LoRA can be merged into its base model where peft "
            'is installed: `python -c "from peft import AutoPeftModelForFeatureExtraction as Model; '
            f"Model.from_pretrained('{folder}').merge_and_unload().save_pretrained('{folder}-merged')\"`, then copy the base "
            "model's tokenizer files; bottleneck adapters (MAD-X) cannot be merged: take an encoder without them"
        )
    if "config.json" not in names:
        return "config.json is missing; copy it from where the encoder is from"
    if not names & set(WEIGHTS):
        if _matching(folder, PYTORCH_WEIGHTS):
            return (
                "its weights are pytorch_model.bin, and only model.safetensors is read; convert those of an author whom you "
                'trust: `python -c "import glob, torch; from safetensors.torch import save_file; save_file({name: '
                f"tensor.contiguous().clone() for file in glob.glob('{folder}/pytorch_model*.bin') for name, tensor in "
                f"torch.load(file, weights_only=True).items()}}, '{folder}/model.safetensors', {{'format': 'pt'}})\"`"
            )
        if others := _matching(folder, OTHER_WEIGHTS):
            return (
                f"its weights are {others[0]}, and only model.safetensors is read; load them where their framework is "
                "installed and save them by `save_pretrained` of transformers"
            )
        return "model.safetensors is missing; copy it from where the encoder is from"
    if {"tokenizer.json", "vocab.txt"} & names or {"vocab.json", "merges.txt"} <= names:
        return ""
    if pieces := [*_matching(folder, ("*.model",)), *(names & {"vocab.json", "merges.txt"})]:
        return (
            f"its tokenizer is {pieces[0]} alone, and a fast one (tokenizer.json) is read; make it where sentencepiece and "
            f'protobuf are installed: `python -c "from transformers import AutoTokenizer as Tokenizer; '
            f"Tokenizer.from_pretrained('{folder}').save_pretrained('{folder}')\"`, or copy tokenizer.json from where the "
            "encoder is from"
        )
    return "tokenizer.json is missing; copy the tokenizer files from where the encoder is from"


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[str]:
    return [file.name for pattern in patterns for file in sorted(folder.glob(pattern))]
