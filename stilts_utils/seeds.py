"""Seeds that depend on what they are for."""

import zlib


def stable_seed(*parts) -> int:
    """A 32-bit seed that depends on its parts alone."""
    return zlib.crc32("/".join(map(str, parts)).encode())
