"""Fixtures that the whole suite shares."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.checkpoints import make_checkpoint

# No test measures time: machines are slow and busy.
settings.register_profile("resift", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("resift")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the evaluation data and real tokenizers, which is no part of the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("RESIFT_SHARED", beside))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the data folder {folder} (or RESIFT_SHARED)")
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of each family, float32: `xlm-roberta`, `roberta`, `bert`."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {family: make_checkpoint(root / family, family) for family in ("xlm-roberta", "roberta", "bert")}


@pytest.fixture(scope="session")
def checkpoint(checkpoints: dict[str, Path]) -> Path:
    """A tiny XLM-RoBERTa checkpoint: the layout of BAAI/bge-reranker-v2-m3."""
    return checkpoints["xlm-roberta"]


@pytest.fixture(scope="session")
def one_torch_thread() -> Iterator[None]:
    """Tiny networks in torch compute on one thread: more would wait for each other, and for other tests."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
