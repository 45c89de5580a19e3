"""The parameters of a notebook: a refusal of wrong ones before anything is computed.

A notebook's cell of parameters is the only place where they are described: each has a comment `# type: <type> <meaning>`, which
`papermill --help-notebook` prints, too.
"""

import ast
from collections.abc import Mapping

from papermill import inspect_notebook
from pydantic import StrictStr, TypeAdapter, ValidationError

from stilts_utils import ROOT
from stilts_utils.study.validation import Whole, require

# Type in a comment -> what is accepted, in words.
TYPES = {
    "str": (StrictStr, "a text"),
    "int": (Whole, "a whole number"),
    "list[str]": (list[StrictStr], "a list of texts"),
    "list[int]": (list[Whole], "a list of whole numbers"),
}
OPTIONAL = "|None"


def described(phase: str) -> dict[str, tuple[str, str]]:
    """Name -> type and meaning of the parameters of a phase's notebook."""
    found = inspect_notebook(ROOT / "notebooks" / f"{phase}.ipynb")
    return {name: (one["inferred_type_name"], one["help"]) for name, one in found.items()}


def check(phase: str, given: Mapping) -> None:
    """Check what a notebook's cells of parameters assigned. `given` are the globals of its kernel.

    Raises StudyError for a name that the notebook does not have, and for a value of another type.
    """
    known = described(phase)
    for name in _assigned(given.get("In", ())[-2:-1]):
        more = f"{', '.join(known)}; `papermill --help-notebook notebooks/{phase}.ipynb` says what each is"
        require(name in known, "parameter", name, more)
    for name, (kind, _) in known.items():
        _check_type(name, given[name], kind)


def _assigned(cells: list[str]) -> list[str]:
    """Names that cells of nothing but values assign: the defaults, or what papermill writes below them."""
    statements = [statement for cell in cells for statement in ast.parse(cell).body]
    try:
        for statement in statements:
            ast.literal_eval(statement.value)
        return [target.id for statement in statements for target in statement.targets]
    except (AttributeError, ValueError):
        return []


def _check_type(name: str, value, kind: str) -> None:
    plain = kind.removesuffix(OPTIONAL)
    if value is None and plain != kind:
        return
    accepted, said = TYPES[plain]
    said += " or None" if plain != kind else ""
    if plain.startswith("list"):
        said += f", such as [{value!r}]; for papermill: -y '{{{name}: [{value}]}}'" if _single(value) else ""
    try:
        TypeAdapter(accepted).validate_python(value)
    except ValidationError:
        require(False, name, value, said)


def _single(value) -> bool:
    return isinstance(value, str | int)
