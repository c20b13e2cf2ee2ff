"""Front matter: the fields that a text file may begin with, in YAML between `---` or TOML between `+++`."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

_BLOCK = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?\n)??(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_PLAIN = re.compile(r"^([\w-]+):[ \t]*(.*\S)?[ \t]*$", re.MULTILINE)
_LONGEST = 64 << 10


def take_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Return the fields, and the text below them.

    YAML that is none, as people write it, gives its `name: value` lines. Values that JSON has not, such as dates, are
    texts.
    """
    found = _BLOCK.match(text[:_LONGEST])
    if found is None:
        return {}, text
    source = found.group(2) or ""
    fields = _toml(source) if found.group(1) == "+++" else _yaml(source)
    if fields is None:
        fields = {name: value or "" for name, value in _PLAIN.findall(source)}
    if source.strip() and not fields:
        return {}, text  # a rule, then a text, then a rule
    return {str(name): _value(value) for name, value in fields.items()}, text[found.end() :]


def _toml(source: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(source)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _yaml(source: str) -> dict[Any, Any] | None:
    import yaml

    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(source, Loader=yaml.SafeLoader)):
            return None  # ten lines of aliases can stand for gigabytes
        fields = yaml.safe_load(source)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: the 31st of February
        return None
    return fields if isinstance(fields, dict) else None


def _value(value: object, depth: int = 0) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth < 10 and isinstance(value, Mapping):
        return {str(key): _value(item, depth + 1) for key, item in value.items()}
    if depth < 10 and isinstance(value, list | tuple | set):
        return [_value(item, depth + 1) for item in value]
    return str(value)
