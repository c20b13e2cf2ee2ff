from pathlib import Path

import numpy as np
import pytest

from resift.bench import isa, peers
from resift.bench.peers import OURS, PEERS, PRECISIONS, Job, Peer
from resift.bench.peers.batches import Inputs, by_length, reads_types
from resift.bench.worker import Worker, is_importable

PAIRS = [("how to boil an egg", "Put it into water. " * times) for times in (1, 3, 2, 30)]


def test_every_peer_has_its_module() -> None:
    folder = Path(peers.__file__).parent
    assert all((folder / f"{peer.module}.py").exists() for peer in PEERS.values())


def test_ours_come_in_every_precision() -> None:
    assert [name for name in PEERS if name.startswith(OURS)] == [f"{OURS}-{precision}" for precision in PRECISIONS]


def test_what_is_not_installed_is_named() -> None:
    peer = Peer("resift_native", ("numpy", "no_such_module", "numpy.no_such_module"), ("no-such-package",))
    found = Worker(peer, Job(Path(), 1, 512)).check()
    assert found == {"missing": ["no_such_module", "numpy.no_such_module"], "versions": {"no-such-package": None}}
    assert not is_importable("no_such_module.inner")


@pytest.mark.parametrize("family", ["xlm-roberta", "bert"])
def test_batches_hold_every_pair_once_and_scores_come_back_in_order(checkpoints: dict[str, Path], family: str) -> None:
    job = Job(checkpoints[family], 1, 120)
    seen: list[Inputs] = []

    def run(batches: list[Inputs]) -> list[np.ndarray]:
        seen.extend(batches)
        return [batch["attention_mask"].sum(axis=1, keepdims=True).astype(np.float32) for batch in batches]

    scores = by_length(job, run)(PAIRS * 5)
    assert [len(batch["input_ids"]) for batch in seen] == [16, 4]
    assert scores.max() == 120 and scores[3] == 120  # cut
    assert scores[0] < scores[2] < scores[1]
    assert scores.tolist() == scores[:4].tolist() * 5
    assert reads_types(job) == (family == "bert")
    assert all(("token_type_ids" in batch) == (family == "bert") for batch in seen)
    if family == "bert":
        assert set(np.unique(seen[0]["token_type_ids"])) == {0, 1}


@pytest.mark.parametrize(
    ("level", "onednn", "aten", "fbgemm"),
    [
        ("avx2", "AVX2", "avx2", "AVX2"),
        ("avx2_vnni", "AVX2_VNNI", "avx2", "AVX2"),
        ("avx512", "AVX512_CORE", "avx512", "AVX512"),
        ("avx512_vnni", "AVX512_CORE_VNNI", "avx512", "AVX512_E1"),
        ("amx", "AVX512_CORE_AMX", "avx512", "AVX512_E1"),
    ],
)
def test_knobs(level: str, onednn: str, aten: str, fbgemm: str) -> None:
    found = isa.settings(isa.TORCH, level)
    assert found["ONEDNN_MAX_CPU_ISA"] == onednn
    assert found["ATEN_CPU_CAPABILITY"] == aten
    assert found["FBGEMM_ENABLE_INSTRUCTIONS"] == fbgemm
    assert isa.settings((isa.RESIFT,), level) == {"RESIFT_CPU_KERNEL": level}


def test_bf16_needs_its_instructions() -> None:
    assert [level for level in isa.LEVELS if isa.has(level, "bf16")] == ["avx512_bf16", "amx"]
    assert all(isa.has(level, "int8") for level in isa.LEVELS)
