"""Names sound alike in all scripts."""

import numpy as np
import pytest

from resift.text.sounds import CLASSES, SIZE, SoundTable

NAMES = [
    ["tesla", "тесла", "تسلا", "टेस्ला", "เทสลา", "τεσλα"],
    ["martin", "мартин", "مارتن", "मार्टिन", "マルティン", "마르틴", "μαρτιν"],
    ["london", "лондон", "لندن", "λονδον"],
    ["washington", "вашингтон", "वाशिंगटन"],
    ["beyonce", "бейонсе", "ビヨンセ", "비욘세", "बियॉन्से"],
]


def table(words: list[str]) -> SoundTable:
    return SoundTable([[ord(c) for c in word] for word in words])


def grams(word: str) -> set[int]:
    return set(table([word])(np.array([0])).tolist())


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_a_name_is_the_same_in_all_scripts(names: list[str]) -> None:
    assert len(grams(names[0])) >= 2
    assert all(grams(name) == grams(names[0]) for name in names[1:])


def test_other_names_are_not() -> None:
    first = [grams(names[0]) for names in NAMES]
    assert all(not a & b for i, a in enumerate(first) for b in first[:i])


def test_pieces_join_to_words_and_separators_part_them() -> None:
    cut = table([" mar", "tin", " lu", "ther"])
    assert set(cut(np.array([0, 1])).tolist()) == grams("martin")
    assert set(cut(np.array([0, 1, 2, 3])).tolist()) == grams("martin") | grams("luther")
    assert set(table([" martin luther"])(np.array([0])).tolist()) == grams("martin") | grams("luther")


@pytest.mark.parametrize("text", ["", "a", "aeiou", "长城有多长", "1932", "ab", "..."])
def test_what_has_no_consonants_has_no_grams(text: str) -> None:
    assert grams(text) == set()


def test_grams_are_below_the_size_of_the_table() -> None:
    alphabet = [chr(code) for code in range(0x20, 0x3100) if chr(code).isprintable()]
    found = table(["".join(alphabet)])(np.array([0]))
    assert len(found) and found.min() >= 0 and found.max() < SIZE
    assert len(CLASSES) == len(set(CLASSES))
