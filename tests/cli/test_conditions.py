"""Conditions of a command line as those of a search."""

from typing import Any

import pytest

from resift.cli.conditions import read_conditions
from resift.errors import InputError


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("lang=zh", {"lang": {"in": ["zh"]}}),
        ("lang == zh", {"lang": {"in": ["zh"]}}),
        ("brand=a,b", {"brand": {"in": ["a", "b"]}}),
        ('brand="a,b", c', {"brand": {"in": ["a,b", "c"]}}),
        ("品牌=海尔", {"品牌": {"in": ["海尔"]}}),
        ("year=2020", {"year": {"in": ["2020", 2020]}}),
        ('year="2020"', {"year": {"in": ["2020"]}}),
        ("new=true", {"new": {"in": ["true", True]}}),
        ("new=null", {"new": {"in": ["null", None]}}),
        ("name=", {"name": {"in": [""]}}),
        ("serial=123456789012345678901234567890", {"serial": {"in": ["123456789012345678901234567890"]}}),
        ("colour!=red", {"not": {"colour": {"in": ["red"]}}}),
        ("price<100", {"price": {"lt": 100}}),
        ("price <= 9.5", {"price": {"le": 9.5}}),
        ("price>-3", {"price": {"gt": -3}}),
        ("date>=2024-05-01", {"date": {"ge": "2024-05-01"}}),
        ('date>"2024"', {"date": {"gt": "2024"}}),
        ("brand.name=x", {"brand.name": {"in": ["x"]}}),
        ("url=http://a/?b=c", {"url": {"in": ["http://a/?b=c"]}}),
        ("sale", {"sale": {"exists": True}}),
        ("!sale", {"sale": {"exists": False}}),
        ('{"or": [{"a": 1}, {"b": 2}]}', {"or": [{"a": 1}, {"b": 2}]}),
    ],
)
def test_one(text: str, where: dict[str, Any]) -> None:
    assert read_conditions([text]) == where


def test_several_all_hold() -> None:
    assert read_conditions(["price>10", "price<20"]) == {"and": [{"price": {"gt": 10}}, {"price": {"lt": 20}}]}
    assert read_conditions([]) is None
    assert read_conditions([" "]) is None


@pytest.mark.parametrize("text", ["=zh", "<5", "!", "a<>", "{broken", "a!b"])
def test_what_cannot_be_read(text: str) -> None:
    if text == "a<>":  # compared with the text ">": odd, and what was written
        assert read_conditions([text]) == {"a": {"lt": ">"}}
        return
    with pytest.raises(InputError) as raised:
        read_conditions([text])
    assert repr(text) in str(raised.value) and "price<100" in str(raised.value)
