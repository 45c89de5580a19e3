"""The JSON schema of study files, with which editors complete and check them: `python -m stilts_utils.study.schema`."""

import json

from pydantic import TypeAdapter

from stilts_utils import ROOT
from stilts_utils.study.study import Study

FILE = ROOT / "studies" / "schema.json"


def text() -> str:
    """The schema as it is stored. The name of a study is that of its file."""
    schema = TypeAdapter(Study).json_schema()
    schema["required"].remove("name")
    for name in ("targets", "intermediate"):  # names alone will do
        names = {"type": "array", "items": {"type": "string"}}
        schema["properties"][name] = {"anyOf": [schema["properties"][name], names]}
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf8")
