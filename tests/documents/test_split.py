"""Where documents are cut: nothing is lost, sizes hold, and words, tables and sections stay whole where they can."""

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
