"""Where sentences end, in languages that the authors of a splitter for English do not think of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.text.sentences import sentences


def split(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentences(text)]


def marked(text: str) -> None:
    """Check the text with its `|` taken out: sentences end where they stood."""
    parts = text.split("|")
    assert split("".join(parts)) == [part.strip() for part in parts]


@pytest.mark.parametrize(
    "text",
    [
        "Leaves take in air. |They give oxygen back! |Do roots too? |No.",
        "Dr. Smith met Mrs. Jones at St. Mary's. |They spoke.",
        "J. K. Rowling wrote it. |The U.S. Army did not.",
        "Vitamin C. |It helps.",
        "Pi is 3.14159. |Version 2.0.1 is out. |See Fig. 3 and No. 7.",
        "Use a tool, e.g. a saw, i.e. something sharp. |Then rest.",
        "“Is it true?” he asked. |“Yes.” |She left.",
        "Known since 1969.[1] |Disputed later.[2][3] |Settled now.",
        "Wait... what? |Well... |Nothing.",
        "Read example.com/a?b=c.d first. |Node.js runs it.",
        "He was born in 1990. |It rained.",
        "Das war am 3. Oktober in Berlin. |Es regnete, vgl. Seite 4. |Ende.",
        "La Sra. García llegó tarde. |¿Por qué? |¡Nadie sabe!",
        "M. Dupont est là. |« Vraiment ? » |Oui.",
        "Он живёт на ул. Ленина, т. е. близко. |Хорошо.",
        "Ποιος είναι; |Δεν ξέρω.",
        "猫坐在垫子上。|它睡着了！|真的吗？|是的。",
        "他说：「你好。」|然后走了。",
        "真的吗?|是的。",
        "猫がマットに座った。|「本当？」|はい。",
        "고양이가 앉았다. |정말입니까? |네.",
        "أين تقع باريس؟ |تقع في فرنسا. |نعم.",
        "یہ ایک جملہ ہے۔ |دوسرا جملہ۔",
        "यह पहला वाक्य है। |यह दूसरा है।",
        "Սա նախադասություն է։ |Սա ևս։",
        "เด็กหญิงคนหนึ่งเดินไปตลาดตอนเช้า |เธอซื้อผลไม้และผักสดกลับบ้าน",
        "A heading\n|The text below it.\n|- one\n|- two\n|1. three\n|2. four",
        "One paragraph without a stop\n\n|and another",
    ],
)
def test_sentences_end_here(text: str) -> None:
    marked(text)


def test_a_wrapped_paragraph_is_not_cut_at_its_lines() -> None:
    wrapped = (
        "The committee met again in spring and postponed the matter of the\n"
        "bridge to its next session, which was to be held in the new hall of\n"
        "Bremen. Nothing else happened."
    )
    assert split(wrapped) == [wrapped[: wrapped.index(" Nothing")], "Nothing else happened."]


def test_what_has_no_letters_stands_with_its_neighbour() -> None:
    assert split("***\nOne.\n---\nTwo.\n***") == ["***\nOne.", "---\nTwo.\n***"]
    assert split("?!") == ["?!"]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("so it went on, and on, " * 60, 320),
        ("word " * 300, 320),
        ("x" * 1000, 320),
        ("他们继续走，" * 60, 120),
        ("字" * 500, 120),
        ("e\u0301" * 900, 320),
    ],
)
def test_long_sentences_are_cut(text: str, limit: int) -> None:
    spans = sentences(text)
    assert max(end - start for start, end in spans) <= limit
    assert min(end - start for start, end in spans[:-1]) >= limit // 3
    assert not any(text[start] == "\u0301" for start, _ in spans)
    if "," in text or "，" in text:
        assert all(text[:end].rstrip()[-1] in ",，" for _, end in spans)
    elif " " in text:
        assert all(text[end - 1] == " " for _, end in spans)


ALPHABET = st.sampled_from('ab Z.!?。！,;\n\t3-"”「」ไท字e\u0301؟।…[1]\u200d\U0001f95a\x00')


@given(st.one_of(st.text(max_size=80), st.text(alphabet=ALPHABET, max_size=400)))
def test_spans_partition_the_text(text: str) -> None:
    spans = sentences(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    assert [start for start, _ in spans] == [0, *[end for _, end in spans]][: len(spans)]
    assert all(end - start <= 320 for start, end in spans)


@given(
    st.lists(
        st.sampled_from(["Leaves breathe.", "猫坐着。", "Is it so?", "नमस्ते।", "No. 5 won!"]), min_size=1, max_size=9
    )
)
def test_sentences_in_a_row_come_back(parts: list[str]) -> None:
    assert split(" ".join(parts)) == parts


def test_a_megabyte_of_anything_is_split_in_linear_time() -> None:
    assert sum(end - start for start, end in sentences("a. B! ,;" * 125_000)) == 1_000_000
    for part in ("[1", "1. ", "a.\n", "Z ", "\n\n", ".", "?!", ". ", "。 ", "\n\n-\n"):
        text = part * (600_000 // len(part)) + "x"
        assert sentences(text)[-1][1] == len(text)
