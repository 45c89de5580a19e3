"""How numbers are written for a reader: decimals, percent, changes, points, intervals and lists, each once."""

from collections.abc import Callable, Iterable


def decimal(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}"


def signed(value: float, digits: int = 1) -> str:
    """-1.25 -> '−1.2'; 1234.5 -> '+1,234'; nothing is written as '−0.0'."""
    return f"{value:+z,.{digits if abs(value) < 1000 else 0}f}".replace("-", "−")


def percent(share: float, digits: int = 1) -> str:
    """A share: 0.012 -> '1.2 %'."""
    return f"{100 * share:.{digits}f} %"


def change(ratio: float, digits: int = 2) -> str:
    """A ratio as a signed change: 1.012 -> '+1.20 %'."""
    return f"{signed(100 * (ratio - 1), digits)} %"


def bracketed(write: Callable[..., str], value: float, low: float, high: float, digits: int = 1) -> str:
    """A value and its interval, the unit once: `58.1 [55.0, 61.2]`, `−0.3 % [−0.7, +0.2]`."""
    ends = (write(end, digits).removesuffix(" %") for end in (low, high))
    return f"{write(value, digits)} [{', '.join(ends)}]"


def interval(row, name: str, write: Callable[..., str] = decimal, digits: int = 1, ends: str = "") -> str:
    """`bracketed` for the value `name` of a row; `ends` begins the names of its bounds, as in `lost_en_low`."""
    return bracketed(write, *(getattr(row, column) for column in (name, f"{ends}low", f"{ends}high")), digits)


def points(row, name: str = "difference", ends: str = "") -> str:
    """A difference with its interval, in points."""
    return interval(row, name, signed, ends=ends)


def span(low: float, high: float, write: Callable[..., str], digits: int) -> str:
    return f"{write(low, digits)} to {write(high, digits)}"


def listed(names: Iterable) -> str:
    """'a, b and c'."""
    names = [str(name) for name in names]
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def counted(number: int, name: str) -> str:
    """'1 seed', '2 seeds'."""
    return f"{number} {name}{'s' * (number > 1)}"
