"""`--where 'price<100'`: conditions on documents' fields, as they are written on a command line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from resift.errors import InputError

Where: TypeAlias = dict[str, Any]
"""Conditions as `Pipeline.search(where=)` takes them."""

FORMS = "lang=zh, brand=a,b, price<100, year>=2020, colour!=red, sale, !sale"
_COMPARED = re.compile(r"\s*(?P<name>[^<>=!]*[^<>=!\s])\s*(?P<sign><=|>=|!=|==?|<|>)\s*(?P<value>.*?)\s*", re.DOTALL)
_NAMED = re.compile(r"\s*(?P<no>!?)\s*(?P<name>[^<>=!]*[^<>=!\s])\s*")
_RANGES = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_LARGEST = 2**63 - 1


def read_conditions(texts: Sequence[str]) -> Where | None:
    """Return conditions that all have to hold, None for none; raises InputError, which names what cannot be read."""
    found = [_read(text) for text in texts if text.strip()]
    if not found:
        return None
    return found[0] if len(found) == 1 else {"and": found}


def _read(text: str) -> Where:
    if text.lstrip().startswith("{"):
        return _read_json(text)
    if compared := _COMPARED.fullmatch(text):
        name, sign, value = compared["name"], compared["sign"], compared["value"]
        if sign in _RANGES:
            return {name: {_RANGES[sign]: _least_ambiguous(value)}}
        condition = {name: {"in": [one for part in _parts(value) for one in _meanings(part)]}}
        return {"not": condition} if sign == "!=" else condition
    if named := _NAMED.fullmatch(text):
        return {named["name"]: {"exists": not named["no"]}}
    raise InputError(f"the condition {text!r} cannot be read", hint=f"such as: {FORMS}")


def _read_json(text: str) -> Where:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"the condition {text!r} is no JSON: {error}", hint=f"or shorter: {FORMS}") from None
    assert isinstance(value, dict)  # it begins with a brace
    return value


def _parts(value: str) -> list[str]:
    """Return the values between commas; in quotation marks a comma is a comma."""
    found = re.findall(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|\Z)', value)
    parts = [part.strip() for part in found if part.strip()]
    return parts or [""]


def _meanings(part: str) -> list[object]:
    """Return what a value may be in a document's fields: the text, and what JSON makes of it."""
    if part.startswith('"'):
        return [_quoted(part)]
    meant = _plain(part)
    return [part] if meant is part else [part, meant]


def _least_ambiguous(value: str) -> object:
    """Return the one thing to compare with: a number where it reads as one."""
    return _quoted(value) if value.startswith('"') else number if (number := _number(value)) is not None else value


def _plain(part: str) -> object:
    words: dict[str, object] = {"true": True, "false": False, "null": None}
    if part in words:
        return words[part]
    number = _number(part)
    return part if number is None else number


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return None
    value = int(text) if re.fullmatch(r"[+-]?\d+", text, re.ASCII) and len(text) < 20 else float(text)
    return value if abs(value) <= _LARGEST else None


def _quoted(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text
