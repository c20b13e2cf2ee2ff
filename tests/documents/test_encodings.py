"""Bytes become text, or an error says what to do."""

import codecs

import pytest

from resift.documents.encodings import check_encoding, choose_encoding, decode
from resift.errors import InputError

CHINESE = "机器学习是人工智能的一个分支，它研究如何让计算机从数据中学习。这是一个很大的领域，我们可以用它来做很多事。"
TRADITIONAL = "機器學習是人工智慧的一個分支，它研究如何讓電腦從資料中學習。這是一個很大的領域，我們可以用它來做很多事。"
JAPANESE = "機械学習は人工知能の一分野であり、データから学ぶ方法を研究するものです。これはとても大きな分野です。"
KOREAN = (
    "기계 학습은 인공지능의 한 분야로, 컴퓨터가 데이터에서 배우는 방법을 연구하는 학문이다. 이것은 매우 큰 분야이다."
)
NOTICE = "图书馆规定：请保持安静，手机调成静音。阅览室内禁止饮食，禁止吸烟。"
PRODUCTS = (
    "编号,商品名称,品牌,价格\n1001,保温杯 500ml,岭南,59.9\n1002,玻璃茶壶 带滤网,青瓷坊,89\n1003,不锈钢汤锅,厨乐,129\n"
)
FRENCH = "L'été dernier, à l'hôtel, nous avons mangé des crêpes « délicieuses » – c'était très agréable."
GERMAN = "Die Küche ist größer als das Bad, und der Ofen heizt über Nacht."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "utf-8"),
        (CHINESE, "utf-8-sig"),
        (CHINESE, "utf-16"),
        (CHINESE, "utf-32"),
        (CHINESE, "gbk"),
        (CHINESE, "gb18030"),
        (NOTICE, "gbk"),
        (PRODUCTS, "gbk"),
        (TRADITIONAL, "big5"),
        (TRADITIONAL, "gb18030"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (FRENCH, "cp1252"),
        (GERMAN, "latin-1"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
    ],
)
def test_found_out(text: str, encoding: str) -> None:
    assert decode(f"{text}\r\n{text}\r{text}".encode(encoding), "a.txt") == "\n".join([text] * 3)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Zażółć gęślą jaźń, proszę bardzo, a potem idź do domu.", "cp1250"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250"),
        ("Şu köşe yaz köşesi, şu köşe kış köşesi.", "cp1254"),
        ("Съешь ещё этих мягких французских булок, да выпей чаю.", "cp1251"),
        ("Съешь ещё этих мягких французских булок, да выпей чаю.", "koi8-r"),
        ("你好", "gbk"),
    ],
)
def test_in_doubt_nothing_is_guessed(text: str, encoding: str) -> None:
    with pytest.raises(InputError, match=r"a\.txt, line 2: not UTF-8 text.*iconv"):
        decode(b"ascii\n" + text.encode(encoding), "a.txt")
    assert decode(text.encode(encoding), "a.txt", encoding=encoding) == text


@pytest.mark.parametrize("data", [b"\x7fELF\x02\x01\0\0\0\0\0\0\0\0\0\0\x03\0>\0", b"a\0", bytes(range(256)) * 4])
def test_no_text(data: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.txt"):
        decode(data, "a.txt")


def test_a_sample_may_end_within_a_character() -> None:
    data = (CHINESE * 3).encode("gb18030")
    assert choose_encoding(data[:-1], "a.txt", whole=False) == "gb18030"
    assert choose_encoding(CHINESE.encode()[:-1], "a.txt", whole=False) == "utf-8"


def test_a_broken_place_is_named() -> None:
    with pytest.raises(InputError, match=r"a\.txt, line 3: not UTF-8 text"):
        decode(codecs.BOM_UTF8 + "一\n二\n".encode() + b"\xff", "a.txt")
    with pytest.raises(InputError, match="line 1: not BIG5 text"):
        decode(b"\xff", "a.txt", encoding="big5")


def test_an_unknown_encoding() -> None:
    check_encoding("gbk")
    with pytest.raises(InputError, match="'utf-9' is unknown"):
        check_encoding("utf-9")
