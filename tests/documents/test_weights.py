"""How much characters count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.documents.weights import running_weights


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("abc ", 4),
        ("ж", 1),
        ("ไทย", 3),
        ("漢字", 6),
        ("かな", 4),
        ("한글", 4),
        ("。，", 6),
        ("ﾃｽﾄ", 6),
        ("🙂", 3),
        ("𠀀", 3),
    ],
)
def test_scripts(text: str, weight: int) -> None:
    assert running_weights(text)[-1] == weight


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=50))
def test_every_beginning_weighs_what_it_weighs_alone(text: str) -> None:
    assert [int(running_weights(text[:end])[-1]) for end in range(len(text) + 1)] == running_weights(text).tolist()
