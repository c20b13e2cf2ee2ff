"""The golden files: one request and its answer a case, in JSON that reads like the documentation of a dialect."""

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|score-[0-9a-f]{32}")


def load() -> list[tuple[str, dict[str, Any]]]:
    """Return the cases with the names of their files."""
    return [
        (path.stem, case)
        for path in sorted(FOLDER.glob("*.json"))
        for case in json.loads(path.read_text(encoding="utf-8"))
    ]


def normalised(body: Any) -> Any:
    """Return an answer with `<id>` and `<time>` for what differs from call to call; checks their form."""
    if not isinstance(body, dict):
        return body
    found = dict(body)
    if "id" in found:
        assert _UUID.fullmatch(found["id"])
        found["id"] = "<id>"
    if "created" in found:
        assert isinstance(found["created"], int)
        found["created"] = "<time>"
    return found


def dump(name: str, cases: list[dict[str, Any]]) -> None:
    """Write a golden file: a case an item, each of its parts on a line."""
    text = ",\n".join(
        "  {\n" + ",\n".join(f"    {json.dumps(k)}: {_shown(v)}" for k, v in case.items()) + "\n  }" for case in cases
    )
    (FOLDER / f"{name}.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")


def _shown(value: Any, indent: str = "    ") -> str:
    """Return JSON that breaks a line only where it is too long."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 110 or not isinstance(value, dict | list):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps(name)}: {_shown(item, inner)}" for name, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _shown(item, inner) for item in value) + f"\n{indent}]"
