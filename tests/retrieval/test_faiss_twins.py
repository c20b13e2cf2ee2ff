import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from resift.retrieval.faiss_twins import Twins, joined


@given(st.lists(st.integers(0, 9), max_size=30), st.lists(st.integers(0, 9), max_size=30, unique=True))
def test_joined(new: list[int], old: list[int]) -> None:
    nodes, fresh = joined([bytes([one]) for one in old], [bytes([one]) for one in new])
    codes = old + [new[place] for place in fresh]
    assert len(set(codes)) == len(codes)
    assert [codes[node] for node in nodes] == new


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_places_of_nodes(names: list[int], data: st.DataObject) -> None:
    node = np.unique(names, return_inverse=True)[1]
    twins = Twins.of(node)
    asked = np.array(data.draw(st.lists(st.integers(0, node.max()), unique=True)), np.int64)
    usable = np.array(data.draw(st.lists(st.booleans(), min_size=len(node), max_size=len(node))))
    assert np.flatnonzero(twins.nodes(usable)).tolist() == sorted(set(node[usable].tolist()))
    for mask in (None, usable):
        places, scores = twins.places(asked, asked.astype(np.float32) / 2, mask)
        allowed = np.ones(len(node), bool) if mask is None else mask
        assert sorted(places.tolist()) == [p for p in range(len(node)) if node[p] in asked and allowed[p]]
        assert scores.tolist() == (node[places] / 2).tolist()
