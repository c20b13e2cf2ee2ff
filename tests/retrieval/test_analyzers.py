import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resift import _native
from resift.errors import InputError
from resift.retrieval.analyzer import analyze, analyze_words
from resift.retrieval.analyzers import FunctionAnalyzer, JiebaAnalyzer, as_analyzer

TEXTS = [
    "Hello, wörld! naïve co\u00adoperate",
    "",
    "量子力学とUSB接口 ที่นี่",
    "हिन्दी 한국어 ﬁne ＡＢＣ",
    "a\nb\u200bc \ud800 \x00",
]
ODD = st.text(st.characters(codec=None, exclude_categories=[]), max_size=30)
MIXED = st.text(st.sampled_from("ab_猫犬ねこㄱ한々〇 \n\u00ad\u200b\u0301ﬁẞİ0\ud800\U0002f800\U000e0001"), max_size=20)


def key_of(term: str) -> int:
    """The hash by its definition: a round of splitmix64 for each code point, which starts from the length."""
    key, mask = len(term), (1 << 64) - 1
    for character in term:
        key = (key + ord(character) + 1) * 0x9E3779B97F4A7C15 & mask
        key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9 & mask
        key ^= key >> 27
    return key


def listed(analyzer: object, texts: list[str]) -> list[list[int]]:
    keys, lengths = analyzer.keys(texts)  # type: ignore[attr-defined]
    assert lengths.sum() == len(keys)
    return [one.tolist() for one in np.split(keys, np.cumsum(lengths)[:-1])] if texts else []


def test_keys_are_pinned() -> None:
    """They are in the files of every index."""
    assert as_analyzer("ngrams").keys(["Tea 猫"])[0].tolist() == [key_of("_tea"), key_of("tea_"), key_of("猫")]
    assert key_of("_tea") == 0xBCAECB5FF632FBCD
    assert key_of("猫") == 0xF4E9CBBE95361F67


@pytest.mark.parametrize(("name", "plain"), [("ngrams", analyze), ("words", analyze_words)])
@given(texts=st.lists(ODD | MIXED, max_size=4))
@example(texts=TEXTS)
def test_terms_are_those_of_the_plain_functions(name: str, plain: Callable[[str], list[str]], texts: list[str]) -> None:
    assert [sorted(one) for one in listed(as_analyzer(name), texts)] == [
        sorted(key_of(term) for term in plain(text)) for text in texts
    ]


@given(st.lists(ODD | MIXED, max_size=4))
def test_a_function_s_terms_become_keys_in_their_order(texts: list[str]) -> None:
    analyzer = FunctionAnalyzer(analyze_words, name="mine")
    for _ in range(2):  # the second time from memory
        assert listed(analyzer, texts) == [[key_of(term) for term in analyze_words(text)] for text in texts]


def test_a_text_is_analyzed_alike_whatever_stands_beside_it() -> None:
    alone = [listed(as_analyzer("ngrams"), [text])[0] for text in TEXTS]
    assert listed(as_analyzer("ngrams"), TEXTS) == alone
    analyzer = as_analyzer("ngrams")
    assert [listed(analyzer, [text])[0] for text in reversed(TEXTS)] == alone[::-1]


def test_words_are_whole() -> None:
    assert analyze_words("Green TEA, 猫犬 USB接口") == ["green", "tea", "猫", "犬", "猫犬", "usb", "接", "口", "接口"]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resift.retrieval.analyzers._MOST_REMEMBERED", 3)
    analyzer = FunctionAnalyzer(str.split, name="split")
    for text in ["a b", "b c d", "a b c d e", "e", "a"]:
        assert listed(analyzer, [text]) == [[key_of(term) for term in text.split()]]
    assert len(analyzer._known) <= 5


def test_an_analyzer_must_return_texts() -> None:
    with pytest.raises(InputError, match="'lengths' returned something else than texts"):
        FunctionAnalyzer(lambda text: [len(text)], name="lengths").keys(["a"])  # type: ignore[list-item]


def test_what_is_no_analyzer_is_refused() -> None:
    with pytest.raises(InputError, match=r"no analyzer 'stemmer' \(one of: ngrams, words"):
        as_analyzer("stemmer")
    with pytest.raises(InputError, match="not int"):
        as_analyzer(3)  # type: ignore[arg-type]


def test_jieba_cuts_chinese_and_leaves_the_rest() -> None:
    pytest.importorskip("jieba")
    assert listed(as_analyzer("jieba"), ["我来到北京清华大学, Hello World"]) == [
        [key_of(term) for term in ("我", "来到", "北京", "清华大学", "hello", "world")]
    ]


def test_jieba_and_ngrams_are_both() -> None:
    pytest.importorskip("jieba")
    text = "北京清华大学 tea"
    expected = [*analyze(text), "北京", "清华大学"]
    assert sorted(listed(as_analyzer("jieba+ngrams"), [text])[0]) == sorted(map(key_of, expected))


def test_words_of_one_s_own_are_known_to_jieba(tmp_path: Path) -> None:
    pytest.importorskip("jieba")
    file = tmp_path / "words.txt"
    file.write_text("云计算平台 100 n\n", encoding="utf-8")
    analyzer = as_analyzer(f"jieba:{file}")
    assert listed(analyzer, ["云计算平台"]) == [[key_of("云计算平台")]]
    assert analyzer.name.startswith("jieba:")
    assert listed(JiebaAnalyzer(), ["云计算平台"]) != listed(analyzer, ["云计算平台"])  # its own dictionary each
    with pytest.raises(InputError, match="cannot be read"):
        as_analyzer(f"jieba:{tmp_path / 'none.txt'}")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        as_analyzer(f"jieba:{file}")


def test_jieba_is_quiet_and_leaves_no_files(tmp_path: Path) -> None:
    pytest.importorskip("jieba")
    code = (
        "import logging; logging.basicConfig(level=0)\n"
        "from resift.retrieval.analyzers import as_analyzer\n"
        "as_analyzer('jieba').keys(['北京清华大学'])\n"
        "import jieba; print(jieba.default_logger.level)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{logging.DEBUG}\n")
    assert list(tmp_path.iterdir()) == []


def test_the_native_functions_check_what_they_are_given() -> None:
    points, kinds = np.array([97], np.uint32), np.zeros(0x110000, np.uint8)
    with pytest.raises(ValueError, match="add up to 2"):
        _native.term_keys(points, np.array([2]))
    with pytest.raises(ValueError, match="negative"):
        _native.term_keys(points, np.array([2, -1]))
    with pytest.raises(ValueError, match="code point"):
        _native.text_keys(np.array([0x110000], np.uint32), np.array([1]), kinds, whole_words=True)
    with pytest.raises(ValueError, match="kinds"):
        _native.text_keys(points, np.array([1]), kinds[:10], whole_words=True)
