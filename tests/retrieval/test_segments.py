import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift import _native
from resift.retrieval.segments import Segment, build, merge, read, write

DOCUMENT = st.lists(st.sampled_from([0, 1, 7, 2**63, 2**64 - 1, *range(100, 110)]), max_size=12)
DOCUMENTS = st.dictionaries(st.integers(-(2**62), 2**62), DOCUMENT, max_size=12)


def made(documents: dict[int, list[int]]) -> Segment:
    ids = sorted(documents)
    keys = np.array([key for id in ids for key in documents[id]], np.uint64)
    return build(np.array(ids, np.int64), keys, np.array([len(documents[id]) for id in ids], np.int64))


def counts(segment: Segment) -> dict[int, dict[int, int]]:
    """Key -> id -> count; and what always holds of the arrays."""
    terms, offsets, slots, numbers, peaks = segment.arrays.values()
    assert np.all(np.diff(segment.ids) > 0)
    assert np.all(terms[1:] > terms[:-1])
    found = {}
    for row, key in enumerate(terms.tolist()):
        part = slice(int(offsets[row]), int(offsets[row + 1]))
        assert np.all(np.diff(slots[part].astype(int)) > 0)
        assert numbers[part].max() == peaks[row]
        found[key] = dict(zip(segment.ids[slots[part]].tolist(), numbers[part].tolist(), strict=True))
    return found


def expected(documents: dict[int, list[int]]) -> dict[int, dict[int, int]]:
    keys = sorted({key for document in documents.values() for key in document})
    return {key: {id: document.count(key) for id, document in documents.items() if key in document} for key in keys}


@given(DOCUMENTS)
def test_lists_hold_who_has_a_term_and_how_often(documents: dict[int, list[int]]) -> None:
    segment = made(documents)
    assert counts(segment) == expected(documents)
    assert segment.lengths.tolist() == [len(documents[id]) for id in sorted(documents)]
    asked = np.array([0, 7, 105, 555, 2**64 - 1], np.uint64)
    rows = segment.postings.find(asked)
    for key, row in zip(asked.tolist(), rows.tolist(), strict=True):
        assert (row >= 0) == (key in expected(documents))
        assert row < 0 or segment.arrays["terms"][row] == key


@given(st.lists(st.tuples(DOCUMENTS, st.sets(st.integers(0, 11))), min_size=1, max_size=6))
def test_merging_is_building_from_what_is_left(parts: list[tuple[dict[int, list[int]], set[int]]]) -> None:
    left: dict[int, list[int]] = {}
    given_parts = []
    for documents, gone in parts:
        own = {id: document for id, document in documents.items() if id not in left}
        dead = np.array([place in gone for place in range(len(own))], np.uint8)
        given_parts.append((made(own), dead if dead.any() else None))
        left.update({id: own[id] for place, id in enumerate(sorted(own)) if place not in gone})
    merged, fresh = merge(given_parts), made(left)
    assert counts(merged) == expected(left)
    for name, array in fresh.arrays.items():
        assert np.array_equal(merged.arrays[name], array)
    assert np.array_equal(merged.lengths, fresh.lengths)


@given(DOCUMENTS, st.sets(st.integers(-(2**62), 2**62)))
def test_ids_are_found(documents: dict[int, list[int]], others: set[int]) -> None:
    segment = made(documents)
    asked = np.array(sorted({*list(documents)[::2], *others}), np.int64)
    assert segment.ids[segment.find(asked)].tolist() == [id for id in asked.tolist() if id in documents]


@pytest.mark.parametrize("ids", [[0, 1, 2, 3], [5, 7, 9, 2**62], [-(2**63), 2**63 - 1], []])
def test_ids_are_found_with_and_without_gaps(ids: list[int]) -> None:
    segment = made({id: [1] for id in ids})
    for asked in ([], [-1, 0, 2], [1, 5, 6, 7, 2**62], [-(2**63), 2**63 - 1], list(range(1, 40, 3))):
        found = segment.find(np.array(asked, np.int64))
        assert segment.ids[found].tolist() == [id for id in asked if id in ids]


def test_a_file_is_mapped_and_aligned(tmp_path: Path) -> None:
    segment = made({4: [1, 1, 2], 9: [2], 11: []})
    stream = io.BytesIO()
    write(stream, segment)
    file = tmp_path / "a.segment"
    file.write_bytes(stream.getvalue())
    again = read(file)
    assert counts(again) == counts(segment)
    for name in ("terms", "offsets", "slots"):
        array = again.arrays[name]
        assert array.flags.aligned
        assert not array.flags.writeable
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "b.segment")


def test_more_than_a_segment_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="65536"):
        _native.invert(np.empty(0, np.uint64), np.zeros(65537, np.int64))
    full = build(np.arange(65536), np.full(65536, 9, np.uint64), np.ones(65536, np.int64))
    assert counts(full) == {9: dict.fromkeys(range(65536), 1)}


def test_the_native_class_checks_what_it_is_given() -> None:
    segment = made({1: [5], 2: [5, 6]})
    postings, norms = segment.postings, np.ones(2, np.float32)
    rows, weights = np.array([0]), np.ones(1, np.float32)
    options = {"least_norm": 1.0, "least": 0.0, "top_k": 3}
    assert postings.search(rows, weights, norms, **options)[0].tolist() == [0, 1]
    for wrong in (
        lambda: postings.search(np.array([2]), weights, norms, **options),
        lambda: postings.search(rows, np.ones(2, np.float32), norms, **options),
        lambda: postings.search(rows, weights, norms, mask=np.ones(3, np.uint8), **options),
        lambda: postings.search(rows, weights, norms, slots=np.array([2], np.int32), **options),
        lambda: postings.search(rows, weights, norms, slots=np.array([-1], np.int32), **options),
        lambda: postings.holders(np.array([2])),
        lambda: _native.merge([(postings, np.array([0, 65536], np.int32))]),
        lambda: _native.merge([(postings, np.array([0], np.int32))]),
        lambda: postings.holders(rows, np.zeros(1, np.uint8)),
        lambda: postings.search(rows, weights, norms[:1], **options),
    ):
        with pytest.raises(ValueError, match=r"row|weight|slot|place|documents"):
            wrong()
