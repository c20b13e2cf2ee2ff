"""Where documents are cut: nothing is lost, sizes hold, and words, tables and sections stay whole where they can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.documents import Block, Chunking, Document, split
from resift.documents.weights import running_weights


def document(*blocks: Block, title: str | None = None) -> Document:
    return Document("d", title, blocks)


def cut(text: str, size: int = 60, overlap: int = 0, kind: str = "text") -> list[str]:
    return [passage.text for passage in split(document(Block(text, kind=kind)), Chunking(size=size, overlap=overlap))]


def weight(text: str) -> int:
    return int(running_weights(text)[-1])


def squeezed(text: str) -> str:
    return "".join(text.split())


TEXTS = st.text(max_size=600) | st.text(alphabet="ab .,\n。，中文ก\u0301\u200d🇩🇪👩\t", max_size=600)
PATHS = st.lists(st.sampled_from(["Ä1", "Ä2", "Ä3"]), max_size=3).map(tuple)
CHUNKINGS = st.integers(50, 300).flatmap(
    lambda size: st.builds(Chunking, size=st.just(size), overlap=st.integers(0, size // 2))
)


@given(TEXTS, st.sampled_from(["text", "code"]), st.integers(50, 300))
def test_nothing_is_lost(text: str, kind: str, size: int) -> None:
    assert squeezed("".join(cut(text, size, kind=kind))) == squeezed(text)


@given(st.lists(st.builds(Block, TEXTS, PATHS), max_size=8), st.integers(50, 300))
def test_nothing_is_lost_of_sections(blocks: list[Block], size: int) -> None:
    """Headings that begin within a passage are lines of its text: without them it is what was read."""
    passages = split(document(*blocks), Chunking(size=size, overlap=0))
    lines = [line for passage in passages for line in passage.text.split("\n") if line not in {"Ä1", "Ä2", "Ä3"}]
    assert squeezed("".join(lines)) == squeezed("".join(block.text for block in blocks))


@given(
    st.lists(st.builds(Block, TEXTS, PATHS, st.none(), st.sampled_from(["text", "table", "code"])), max_size=6),
    CHUNKINGS,
)
def test_sizes_hold(blocks: list[Block], chunking: Chunking) -> None:
    passages = split(document(*blocks), chunking)
    assert all(weight(passage.text) <= chunking.size for passage in passages)
    assert all(passage.text.strip() for passage in passages)
    assert [passage.place for passage in passages] == list(range(len(passages)))
    assert passages == split(document(*blocks), chunking)


@given(TEXTS, CHUNKINGS)
def test_an_overlap_repeats_the_end_of_the_passage_before(text: str, chunking: Chunking) -> None:
    plain = squeezed(text)
    place = 0
    for passage in cut(text, chunking.size, chunking.overlap):
        part = squeezed(passage)
        starts = [start for start in range(max(0, place - len(part)), place + 1) if plain.startswith(part, start)]
        assert any(start + len(part) > place for start in starts)
        place = max(start + len(part) for start in starts)
    assert place == len(plain)


def test_words_and_characters_stay_whole() -> None:
    text = "extraordinarily " * 40 + "👨‍👩‍👧‍👦" * 30 + "ก็ที่" * 60
    for part in cut(text, 50):
        assert not part.startswith(("xtra", "\u200d", "็", "ี", "่"))
        assert part.count("extraordinarily") * 15 <= len(part)
    assert all(set(part.split()) <= {"extraordinarily"} for part in cut("extraordinarily " * 40, 50))


def test_a_word_that_is_longer_than_a_passage_is_cut() -> None:
    assert cut("a " + "b" * 120 + " c", 50) == ["a", "b" * 50, "b" * 50, "b" * 20 + " c"]


def test_passages_end_at_paragraphs_where_they_can() -> None:
    first, second = "One two three. Four five six.", "Seven eight nine. Ten eleven."
    assert cut(f"{first}\n\n{second}", 60) == [f"{first}\n\n{second}"]
    assert cut(f"{first}\n\n{second}", 58) == [first, second]
    assert cut(f"{first} {second} {first}", 70) == [f"{first} Seven eight nine.", f"Ten eleven. {first}"]


def test_passages_of_a_long_section_weigh_about_the_same() -> None:
    text = " ".join(f"This is sentence number {number:04}." for number in range(32))  # 32 times 30 characters
    lengths = [len(part) for part in cut(text, 300)]
    assert len(lengths) == 4
    assert max(lengths) - min(lengths) <= 31


def test_chinese_counts_more() -> None:
    text = "我们今天学习语文。" * 40
    assert {len(part) for part in cut(text, 90)} == {18, 27}
    assert max(weight(part) for part in cut(text, 90)) == 81


def test_whole_sentences_are_repeated() -> None:
    text = "Aaa bbb ccc. Ddd eee fff. Ggg hhh iii. Jjj kkk lll. Mmm nnn ooo. Ppp qqq rrr."
    assert cut(text, 52, 15) == [
        "Aaa bbb ccc. Ddd eee fff. Ggg hhh iii. Jjj kkk lll.",
        "Jjj kkk lll. Mmm nnn ooo. Ppp qqq rrr.",
    ]
    assert cut(text, 52, 12) == [
        "Aaa bbb ccc. Ddd eee fff. Ggg hhh iii.",
        "Jjj kkk lll. Mmm nnn ooo. Ppp qqq rrr.",
    ]


def test_a_table_repeats_its_header() -> None:
    rows = [f"{number} | row {number}" for number in range(12)]
    parts = cut("\n".join(["id | name", *rows]), 60, 20, kind="table")
    assert len(parts) > 2
    assert all(part.startswith("id | name\n") for part in parts)
    assert [row for part in parts for row in part.split("\n")[1:]] == rows


def test_a_header_that_leaves_no_room_is_not_repeated() -> None:
    table = "\n".join(["a long header " * 3, *(f"row {number}" for number in range(20))])
    assert sum("header" in part for part in cut(table, 60, kind="table")) == 1


def test_tables_and_code_stay_whole_where_they_fit() -> None:
    code = "\n".join(f"step_{number}()" for number in range(6))
    passages = split(
        document(Block("Some words before it. " * 2), Block(code, kind="code"), Block("Words after it. " * 2)),
        Chunking(size=90, overlap=0),
    )
    assert [passage.text.startswith(code) for passage in passages if "step" in passage.text] == [True]


def test_code_keeps_its_indentation() -> None:
    code = "    if x:\n        y()\n    else:\n        z()\n" * 4
    parts = cut(code, 60, kind="code")
    assert all(part.startswith("    ") for part in parts)
    assert "\n".join(parts) == code.rstrip()


def test_small_sections_share_a_passage() -> None:
    passages = split(
        document(
            Block("About animals.", ("World", "Animals")),
            Block("It barks.", ("World", "Animals", "Dog")),
            Block("It purrs.", ("World", "Animals", "Cat")),
            Block("It grows.", ("Other", "Tree")),
        )
    )
    assert [(passage.headings, passage.text) for passage in passages] == [
        (("World", "Animals"), "About animals.\n\nDog\nIt barks.\n\nCat\nIt purrs."),
        (("Other", "Tree"), "It grows."),
    ]


def test_neighbours_below_the_title_share_a_passage() -> None:
    passages = split(document(Block("It barks.", ("Dog",)), Block("It purrs.", ("Cat",)), title="Animals"))
    assert [(passage.headings, passage.text) for passage in passages] == [((), "Dog\nIt barks.\n\nCat\nIt purrs.")]


def test_large_sections_stay_apart() -> None:
    text = "A sentence of some length. " * 3
    passages = split(document(Block(text, ("A",)), Block(text, ("B",))), Chunking(size=150, overlap=0))
    assert [passage.headings for passage in passages] == [("A",), ("B",)]


def test_a_heading_with_nothing_below_is_a_text() -> None:
    passages = split(document(Block("x" * 80, ("A", "a")), Block("", ("B", "To do"))), Chunking(size=100, overlap=0))
    assert [(passage.headings, passage.text) for passage in passages] == [(("A", "a"), "x" * 80), (("B",), "To do")]


def test_a_sentence_runs_over_the_end_of_a_page() -> None:
    passages = split(
        document(Block("One. Two. The third goes on, and", page=1), Block("ends here. Four. Five. Six.", page=2)),
        Chunking(size=50, overlap=0),
    )
    assert [(passage.page, passage.text) for passage in passages] == [
        (1, "One. Two. The third goes on, and ends here."),
        (2, "Four. Five. Six."),
    ]


def test_nothing_gives_nothing_and_a_title_itself() -> None:
    assert split(document()) == []
    assert split(document(Block(" \n"))) == []
    assert [passage.full_text for passage in split(document(title="Only a title"))] == ["Only a title"]


@pytest.mark.parametrize("text", ["a" * 400_000, "中" * 200_000, ". " * 200_000, "e\u0301" * 200_000, "🇩🇪" * 100_000])
def test_one_endless_line(text: str) -> None:
    """What would be quadratic would not end: 400,000 characters are 160 billion steps then."""
    assert squeezed("".join(cut(text, 1000))) == squeezed(text)


def test_an_overlap_makes_no_crumb_a_passage() -> None:
    sentence = "One of the sentences is just as long as this. "
    parts = cut(f"{sentence * 6}\n\n## More\nThe most important are:\n\n{sentence * 12}", 300, 60)
    assert [part for part in parts if len(part) < 100] == []
