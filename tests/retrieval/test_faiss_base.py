"""The part that FAISS does: ids and places, what is left out, what is asked of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resift.errors import StoreDamaged
from resift.retrieval import faiss_base
from resift.retrieval.faiss_base import Base, Kind, Layout
from resift.retrieval.faiss_search import find
from resift.retrieval.vectors import as_unit, cosines


def units(seed: int, count: int, dimension: int = 16) -> np.ndarray:
    return as_unit(np.random.default_rng(seed).standard_normal((count, dimension)), dimension=dimension, source="test")


def test_places() -> None:
    for ids in (np.array([1, 5, 9, 2**62]), np.array([9, 5, 2**62, 1]), np.array([-3, 9, 1, 5])):
        base = Base.of(None, ids, None, trained=4)
        assert ids[base.places(np.array([5, 6, 9, 2**63 - 1, -(2**63)]))].tolist() == [5, 9]
        less = base.without(np.array([5, 7]))
        assert (less.dead, base.dead) == (1, 0)
        assert ids[less.places(np.array([5, 9]))].tolist() == [9]
        assert np.flatnonzero(less.allowed(np.array([9, 5, 4]))).tolist() == np.flatnonzero(ids == 9).tolist()
        assert less.without(np.array([5, 7])) is less


def test_an_id_that_came_again_has_its_last_place() -> None:
    alive = np.array([False, True, True, True])
    base = Base.of(None, np.array([7, 8, 9, 7]), alive, trained=4)
    assert base.places(np.array([7, 9])).tolist() == [3, 2]


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
def test_more_equal_vectors_than_were_asked_for(kind: Kind) -> None:
    """Half of the vectors are one vector: to find those of the lowest ids, more and more has to be asked for."""
    same = np.tile(units(1, 1), (1000, 1))
    layout = Layout(kind=kind, nlist=1, ef_search=2000)
    ids = np.random.default_rng(0).permutation(2000)
    base = faiss_base.build(layout, ids, np.concatenate([same, units(2, 1000)]))
    ((found, scores),) = find(base, layout, same[:1], top_k=5, allowed=None)
    assert set(ids[:1000].tolist()) <= set(found.tolist())
    assert scores.max() == cosines(same[:1], same[0])[0]


def test_no_setting_of_faiss_is_changed() -> None:
    faiss = faiss_base.library()
    before = faiss.omp_get_max_threads()
    layout = Layout(kind="ivf")
    base = faiss_base.build(layout, np.arange(500), units(3, 500))
    list(find(base, layout, units(4, 3), top_k=5, allowed=None))
    assert faiss.omp_get_max_threads() == before


@pytest.mark.parametrize("content", [b"", b"IxFI", b"nonsense" * 100, bytes(1000)])
@pytest.mark.parametrize("view", [True, False])
def test_a_file_that_faiss_refuses(content: bytes, view: bool, tmp_path: Path) -> None:
    file = tmp_path / "base-1.faiss"
    file.write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"base-1\.faiss cannot be read"):
        faiss_base.read_index(file, view=view)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    base = faiss_base.build(Layout(), np.arange(5), units(5, 5))
    with pytest.raises(OSError, match="nowhere"):
        faiss_base.write_index(base, tmp_path / "nowhere" / "base-1.faiss")


@pytest.mark.parametrize("count", [1, 2, 38, 39, 100])
def test_few_vectors_train_lists_without_a_word(count: int, capfd: pytest.CaptureFixture[str]) -> None:
    base = faiss_base.build(Layout(kind="ivf", storage="int8"), np.arange(count), units(6, count))
    assert base.index.nlist == max(1, count // 39)
    assert base.living()[1].shape == (count, 16)
    assert capfd.readouterr() == ("", "")


def test_importing_faiss_warns_of_nothing() -> None:
    program = "from resift.retrieval.faiss_base import library; library()"
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_vectors_that_come_later_reach_further(tmp_path: Path) -> None:
    """int8 leaves room at both ends of the range that it was trained on."""
    vectors: Any = units(7, 400)
    layout = Layout(storage="int8")
    base = faiss_base.build(layout, np.arange(200), vectors[:200] * 0.95)
    base = faiss_base.grown(base, np.arange(200, 400), vectors[200:])
    assert np.abs(base.living()[1][200:] - vectors[200:]).max() < 0.1
