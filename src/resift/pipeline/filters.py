"""`where`: conditions on documents' fields, as SQL over their JSON. Names and values are parameters, never SQL.

{"lang": "zh"}                          the field is "zh", or a list that has it
{"brand": ["a", "b"]}                   one of these
{"price": {"ge": 10, "lt": 100}}        eq, ne, in, lt, le, gt, ge, exists; all of them hold
{"brand.name": "x"}                     a field within a field (or one of that name)
{"_id": [...]}                          the document's own id
{"or": [{...}, {...}]}, {"and": [...]}, {"not": {...}}
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from resift.documents.rows import clean
from resift.errors import InputError

Where: TypeAlias = Mapping[str, Any]
"""Conditions, all of which hold."""

ID = "_id"
_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_OPERATORS = ("eq", "ne", "in", *_COMPARISONS, "exists")
_DEEPEST = 20
_WIDEST = 100
_MOST_PARAMETERS = 10_000
"""Of the SQL; SQLite takes 32,766, and half a megabyte of SQL is slow to read."""
# Subtle: CSV gives texts. One that reads as a number, whole, counts as that number where a number is asked for. The
# comparison sees it: SQLite reads a text beside a number as one if all of it is one. CAST takes 2024 from a date.
_NUMBER = (
    "(CASE WHEN type IN ('integer', 'real') THEN value "
    "WHEN type = 'text' AND value = CAST(value AS NUMERIC) THEN CAST(value AS NUMERIC) END)"
)

_LISTED = "(SELECT listed.value FROM json_each(?) AS listed)"


def compiled(where: Where) -> tuple[str, list[Any]]:
    """Return the condition on the table `documents` named d, and its parameters; raises InputError."""
    sql, values = _all(where, 0)
    if len(values) > _MOST_PARAMETERS:
        raise InputError("where has too many conditions", hint='write {"brand": ["a", "b", ...]} for many values')
    return sql, values


def _all(where: object, depth: int) -> tuple[str, list[Any]]:
    if not isinstance(where, Mapping):
        raise InputError(
            f"where is {where!r}, expected conditions by field", hint='{"lang": "zh", "price": {"lt": 100}}'
        )
    if len(where) > _WIDEST:
        raise InputError(f"where has conditions on {len(where)} fields, expected at most {_WIDEST}")
    if depth > _DEEPEST:
        raise InputError(f"where is nested more than {_DEEPEST} deep")
    return _joined([_one(name, value, depth) for name, value in where.items()], "AND")


def _joined(parts: Sequence[tuple[str, list[Any]]], word: str) -> tuple[str, list[Any]]:
    if not parts:
        return ("1" if word == "AND" else "0"), []
    return f" {word} ".join(f"({sql})" for sql, _ in parts), [value for _, values in parts for value in values]


def _one(name: object, value: Any, depth: int) -> tuple[str, list[Any]]:
    if not isinstance(name, str) or not name:
        raise InputError(f"where names the field {name!r}, expected a text")
    if name in ("and", "or"):
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            raise InputError(f"{name!r} has {value!r}, expected a list of conditions")
        if len(value) > _WIDEST:
            raise InputError(
                f"{name!r} has {len(value)} conditions, expected at most {_WIDEST}", hint="use a list of values"
            )
        return _joined([_all(part, depth + 1) for part in value], name.upper())
    if name == "not":
        sql, values = _all(value, depth + 1)
        return f"NOT coalesce(({sql}), 0)", values
    conditions = value if isinstance(value, Mapping) else {"in" if _is_list(value) else "eq": value}
    unknown = [operator for operator in conditions if operator not in _OPERATORS]
    if unknown or not conditions:
        raise InputError(
            f"the field {name!r} is asked for {dict(conditions)}, expected some of {', '.join(_OPERATORS)}",
            hint='fields within fields are written "brand.name"',
        )
    compare = _id_condition if name == ID else _condition
    return _joined([compare(name, operator, operand) for operator, operand in conditions.items()], "AND")


def _condition(name: str, operator: str, operand: Any) -> tuple[str, list[Any]]:
    if operator == "exists":
        if not isinstance(operand, bool):
            raise InputError(f"{name!r}: exists is {operand!r}, expected True or False")
        sql, values = _member(name, "type <> 'null'", [])
        return (sql, values) if operand else (f"NOT {sql}", values)
    if operator == "ne":
        sql, values = _member(name, *_equal(name, operand))
        return f"NOT {sql}", values
    if operator == "eq":
        return _member(name, *_equal(name, operand))
    if operator == "in":
        if not _is_list(operand):
            raise InputError(f"{name!r}: in is {operand!r}, expected a list")
        return _member(name, *_any_of(name, list(operand)))
    sign = _COMPARISONS[operator]
    if isinstance(operand, str):
        return _member(name, f"type = 'text' AND value {sign} ?", [clean(operand)])
    if isinstance(operand, bool) or not isinstance(operand, int | float):
        raise InputError(f"{name!r}: {operator} is {operand!r}, expected a number or a text")
    return _member(name, f"{_NUMBER} {sign} ?", [_bindable(name, operand)])


def _member(name: str, condition: str, values: list[Any]) -> tuple[str, list[Any]]:
    """Return whether the field, or where it is a list any of its items, meets a condition on `type` and `value`."""
    parts = []
    for path in dict.fromkeys((_path([name]), _path(name.split(".")))):
        sql = (
            "coalesce(json_type(d.fields, ?), 'object') <> 'object' "
            f"AND EXISTS (SELECT 1 FROM json_each(d.fields, ?) WHERE {condition})"
        )
        parts.append((sql, [path, path, *values]))
    sql, parameters = _joined(parts, "OR")
    return f"({sql})", parameters


def _equal(name: str, operand: Any) -> tuple[str, list[Any]]:
    if operand is None:
        return "type = 'null'", []
    if isinstance(operand, bool):
        return "type = ?", ["true" if operand else "false"]
    if isinstance(operand, str):
        return "type = 'text' AND value = ?", [clean(operand)]
    if isinstance(operand, int | float):
        return f"{_NUMBER} = ?", [_bindable(name, operand)]
    raise InputError(
        f"the field {name!r} is compared with {operand!r}, expected a text, a number, a truth value or None"
    )


def _any_of(name: str, operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return whether it equals one of many, as a list in one parameter: SQL may not be a thousand ORs deep."""
    texts = [clean(one) for one in operands if isinstance(one, str)]
    numbers = [_bindable(name, one) for one in operands if isinstance(one, int | float) and not isinstance(one, bool)]
    parts = [_equal(name, one) for one in operands if isinstance(one, bool) or not isinstance(one, str | int | float)]
    if texts:
        parts.append((f"type = 'text' AND value IN {_LISTED}", [json.dumps(texts, ensure_ascii=False)]))
    if numbers:
        parts.append((f"{_NUMBER} IN {_LISTED}", [json.dumps(numbers)]))
    return _joined(parts, "OR")


def _id_condition(name: str, operator: str, operand: Any) -> tuple[str, list[Any]]:
    wanted = operand if operator == "in" else [operand]
    if operator not in ("eq", "in") or not _is_list(wanted) or not all(isinstance(one, str) for one in wanted):
        raise InputError(f"{name} is asked for {operator} {operand!r}, expected an id or a list of ids")
    return f"d.id IN {_LISTED}", [json.dumps([clean(one) for one in wanted], ensure_ascii=False)]


def _path(names: Sequence[str]) -> str:
    if any('"' in part or "\\" in part for part in names):
        raise InputError(f"the field {'.'.join(names)!r} has a quotation mark or a backslash: it cannot be asked for")
    return "$" + "".join(f'."{clean(part)}"' for part in names)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes)


def _bindable(name: str, number: float) -> float:
    if (isinstance(number, float) and math.isnan(number)) or abs(number) > 2**63 - 1:
        raise InputError(f"the field {name!r} is compared with NaN or a huge number: expected one of at most 64 bits")
    return number
