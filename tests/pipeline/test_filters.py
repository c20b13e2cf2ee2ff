"""`where`: what SQL finds is what Python finds, and nothing of the caller becomes SQL."""

import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.errors import InputError
from resift.pipeline.filters import compiled

ROWS: dict[str, dict[str, Any]] = {
    "kettle": {"lang": "en", "price": 90, "brand": {"name": "Acme"}, "tags": ["kitchen", "steel"], "new": True},
    "茶壶": {"lang": "zh", "price": 45.5, "brand": {"name": "茗"}, "tags": [], "new": False, "价格": 45.5},
    "csv": {"lang": "en", "price": "120.0", "brand.name": "Dotted", "new": 1, "old": None},
    "bare": {},
}


def found(where: Any, rows: dict[str, dict[str, Any]] = ROWS) -> list[str]:
    condition, values = compiled(where)
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE documents (id TEXT, fields TEXT)")
        pairs = [(name, json.dumps(fields, ensure_ascii=False)) for name, fields in rows.items()]
        connection.executemany("INSERT INTO documents VALUES (?, ?)", pairs)
        sql = f"SELECT d.id FROM documents d WHERE {condition} ORDER BY d.rowid"
        return [name for (name,) in connection.execute(sql, values)]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, ["kettle", "茶壶", "csv", "bare"]),
        ({"lang": "zh"}, ["茶壶"]),
        ({"lang": ["zh", "en"]}, ["kettle", "茶壶", "csv"]),
        ({"lang": []}, []),
        ({"lang": {"ne": "en"}}, ["茶壶", "bare"]),
        ({"price": {"lt": 100}}, ["kettle", "茶壶"]),
        ({"price": {"ge": 45.5, "le": 90}}, ["kettle", "茶壶"]),
        ({"price": {"gt": 100}}, ["csv"]),
        ({"price": 120}, ["csv"]),
        ({"price": [90, 120]}, ["kettle", "csv"]),
        ({"price": "120.0"}, ["csv"]),
        ({"价格": {"lt": 50}}, ["茶壶"]),
        ({"brand.name": "Acme"}, ["kettle"]),
        ({"brand.name": ["Acme", "Dotted", "茗"]}, ["kettle", "茶壶", "csv"]),
        ({"brand": "Acme"}, []),
        ({"tags": "steel"}, ["kettle"]),
        ({"tags": {"ne": "steel"}}, ["茶壶", "csv", "bare"]),
        ({"new": True}, ["kettle"]),
        ({"new": [True, 1]}, ["kettle", "csv"]),
        ({"new": 1}, ["csv"]),
        ({"old": None}, ["csv"]),
        ({"old": {"exists": True}}, []),
        ({"tags": {"exists": True}}, ["kettle"]),
        ({"lang": {"exists": False}}, ["bare"]),
        ({"lang": {"ge": "f"}}, ["茶壶"]),
        ({"lang": "en", "price": {"lt": 100}}, ["kettle"]),
        ({"or": [{"lang": "zh"}, {"price": {"gt": 100}}]}, ["茶壶", "csv"]),
        ({"or": []}, []),
        ({"and": [{"lang": "en"}, {"not": {"new": True}}]}, ["csv"]),
        ({"not": {"price": {"lt": 100}}}, ["csv", "bare"]),
        ({"_id": "茶壶"}, ["茶壶"]),
        ({"_id": ["bare", "csv", "nobody"]}, ["csv", "bare"]),
        ({"lang' OR '1'='1": "zh"}, []),
        ({"lang": "zh' OR '1'='1"}, []),
        ({"nobody": ["x"] * 5000}, []),
        ({"price": list(range(5000))}, ["kettle", "csv"]),
        ({"lang\ud800": "zh"}, []),
        ({"lang": ["zh\ud800", "e\0n"]}, []),
        ({"la\0ng": {"ge": "\ud800"}}, []),
        ({"_id": "\ud800"}, []),
        ({"lang": {"in": {3, "zh"}}}, ["茶壶"]),
    ],
)
def test_what_it_finds(where: Any, expected: list[str]) -> None:
    assert found(where) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("-1.5", -1.5),
        ("+5", 5),
        (".5", 0.5),
        ("1e3", 1000),
        ("9007199254740993", 9007199254740993),
        ("2024-01-15", None),
        ("1.2.3", None),
        ("192.168.0.1", None),
        ("1-2", None),
        ("12 cm", None),
        ("e", None),
        ("", None),
    ],
)
def test_a_text_is_a_number_where_all_of_it_is(text: str, number: float | None) -> None:
    rows = {"it": {"x": text}}
    assert found({"x": {"gt": -(2**62)}}, rows) == ([] if number is None else ["it"])
    assert found({"x": [1, 2024, 1.2, 192.168, 0, 12]}, rows) == (["it"] if number == 12 else [])
    if number is not None:
        assert found({"x": number}, rows) == found({"x": [number]}, rows) == ["it"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("lang", "expected conditions by field"),
        ({3: "zh"}, "names the field 3"),
        ({"": "zh"}, "names the field ''"),
        ({"price": {"below": 3}}, "expected some of eq, ne, in"),
        ({"price": {}}, "expected some of"),
        ({"price": {"lt": "a", "gt": None}}, "expected a number or a text"),
        ({"price": {"lt": True}}, "expected a number or a text"),
        ({"price": {"lt": float("nan")}}, "64 bits"),
        ({"price": 10**30}, "64 bits"),
        ({"price": 10**5000}, "64 bits"),
        ({str(place): 1 for place in range(101)}, "at most 100"),
        ({"or": [{"or": [{"or": [{"a": 1}] * 20}] * 20}] * 20}, "too many conditions"),
        ({"price": {"in": 3}}, "expected a list"),
        ({"price": [[1]]}, "expected a text, a number"),
        ({"price": {"exists": "yes"}}, "expected True or False"),
        ({'a"b': 1}, "quotation mark"),
        ({"a\\b": 1}, "backslash"),
        ({"or": {"a": 1}}, "expected a list of conditions"),
        ({"or": [{"a": 1}] * 101}, "at most 100"),
        ({"_id": {"lt": "a"}}, "an id or a list of ids"),
        ({"_id": 3}, "an id or a list of ids"),
    ],
)
def test_what_it_refuses(where: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compiled(where)


def test_nesting_has_an_end() -> None:
    where: dict[str, Any] = {"a": 1}
    for _ in range(21):
        where = {"not": where}
    with pytest.raises(InputError, match="nested"):
        compiled(where)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(["", "a", "b", "茶", "O'Neil", "%"]))
NAMES = st.sampled_from(["a", "b c", "价", "x.y", "'"])


@given(st.lists(st.dictionaries(NAMES, st.one_of(VALUES, st.lists(VALUES))), max_size=6), NAMES, VALUES)
def test_equality_is_pythons(fields: list[dict[str, Any]], name: str, value: Any) -> None:
    def holds(one: dict[str, Any]) -> bool:
        if name not in one:
            return False
        items = one[name] if isinstance(one[name], list) else [one[name]]
        return any(item == value and isinstance(item, bool) is isinstance(value, bool) for item in items)

    rows = {str(i): one for i, one in enumerate(fields)}
    assert found({name: value}, rows) == [i for i, one in rows.items() if holds(one)]
    assert found({name: {"ne": value}}, rows) == [i for i, one in rows.items() if not holds(one)]
    assert found({name: [value]}, rows) == found({name: value}, rows)
