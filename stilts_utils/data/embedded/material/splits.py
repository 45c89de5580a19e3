"""Which split an item belongs to, by a stable hash of its key, the same in all languages and seeds."""

import zlib

SPLITS = ("train", "validation", "test")
# Percentages of train, validation and test. There are many pairs of numbers and dates but few named entities, so those
# give evaluation a larger share.
VALUES = (70, 10, 20)
ENTITIES = (35, 15, 50)


def split_of(key: str, shares: tuple[int, int, int] = VALUES) -> str:
    """The split that `key` is held for. `shares` are percentages that sum to 100."""
    bucket = zlib.crc32(key.encode()) % 100
    for split, share in zip(SPLITS, shares, strict=True):
        bucket -= share
        if bucket < 0:
            return split
    raise ValueError(f"shares is {shares}, allowed: three percentages that sum to 100")
