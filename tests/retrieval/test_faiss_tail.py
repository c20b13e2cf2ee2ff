import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from resift.retrieval.faiss_tail import Tail
from resift.retrieval.vectors import as_unit


def units(seed: int, count: int) -> np.ndarray:
    return as_unit(np.random.default_rng(seed).integers(1, 4, (count, 3)), dimension=3, source="test")


@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 30), max_size=9)), max_size=20))
def test_every_tail_stays_what_it_was(steps: list[tuple[bool, set[int]]]) -> None:
    """A tail that a search still holds does not change while later ones grow."""
    tail, model = Tail.of(np.empty(0, np.int64), np.empty((0, 3), np.float32)), {}
    history = []
    for turn, (adding, chosen) in enumerate(steps):
        ids = np.array(sorted(chosen), np.int64)
        tail = tail.without(ids)
        model = {one: vector for one, vector in model.items() if one not in chosen}
        if adding and len(ids):
            vectors = units(turn, len(ids))
            tail = tail.with_rows(ids, vectors)
            model.update(zip(ids.tolist(), vectors, strict=True))
        assert tail.size == len(model)
        history.append((tail, dict(model)))
    for one, then in history:
        ids, vectors = one.living()
        assert dict(zip(ids.tolist(), vectors.tolist(), strict=True)) == {i: v.tolist() for i, v in then.items()}


def test_what_is_as_good_as_the_last_is_found_too() -> None:
    same = np.tile(units(0, 1), (20, 1))
    tail = Tail.of(np.arange(20), same)
    ((ids, scores),) = tail.find(same[:1], 3, None)
    assert (len(ids), len(set(scores.tolist()))) == (20, 1)
    ((ids, _),) = tail.find(same[:1], 3, tail.allowed(np.array([4, 5, 99])))
    assert ids.tolist() == [4, 5]
    ((ids, _),) = tail.find(same[:1], 3, tail.allowed(np.empty(0, np.int64)))
    assert ids.tolist() == []
