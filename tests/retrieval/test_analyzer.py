import pytest

from resift.retrieval.analyzer import analyze


def test_a_word_gives_marked_four_grams() -> None:
    assert analyze("tests") == ["_tes", "test", "ests", "sts_"]


def test_a_short_word_is_one_marked_term() -> None:
    assert analyze("a of") == ["_a_", "_of_"]


def test_chinese_gives_characters_and_pairs() -> None:
    assert analyze("量子力") == ["量", "子", "力", "量子", "子力"]
    assert analyze("猫") == ["猫"]


def test_scripts_inside_one_word_are_told_apart() -> None:
    assert analyze("USB接口") == ["_usb", "usb_", "接", "口", "接口"]


def test_width_case_and_compatibility_forms_fold() -> None:
    assert analyze("ＡＢＣ ﬁne") == analyze("abc fine")
    assert analyze("STRASSE") == analyze("straße")


def test_marks_stay_inside_words() -> None:
    assert "".join(analyze("हिन्दी")).count("्") > 0
    assert len(analyze("ที่")) == 2  # three code points and two edges


def test_joiners_and_soft_hyphens_do_not_split() -> None:
    assert analyze("co\u00adoperate") == analyze("cooperate")


def test_punctuation_separates() -> None:
    assert analyze("l'eau, froide!") == analyze("l eau froide")
    assert analyze("snake_case") == analyze("snake case")


@pytest.mark.parametrize("text", ["", " \n\t", "!?…", "\u200b", "\ud800", "\x00"])
def test_text_without_words_gives_no_terms(text: str) -> None:
    assert analyze(text) == []
