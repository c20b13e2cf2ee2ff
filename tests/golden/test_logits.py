"""The numeric path without torch: generated checkpoints must give the logits that transformers gave (make.py)."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from resift.engine.backends.reference import ReferenceBackend
from resift.loading.checkpoint import Checkpoint, load_checkpoint
from resift.loading.source import locate
from tests.batches import packed
from tests.checkpoints import make_checkpoint
from tests.golden.cases import CHECKPOINTS, PAIRS

GOLDEN = json.loads((Path(__file__).parent / "logits.json").read_text(encoding="utf-8"))["checkpoints"]
TOLERANCE = 1e-4


def reference(checkpoint: Checkpoint) -> ReferenceBackend:
    return ReferenceBackend(checkpoint.spec, checkpoint.tensors)


def native(checkpoint: Checkpoint) -> ReferenceBackend:
    if importlib.util.find_spec("resift._native") is None:
        pytest.skip("the native backend is not built")
    from resift.engine.backends.native import NativeBackend

    return NativeBackend(checkpoint.spec, checkpoint.tensors)


@pytest.fixture(scope="module", params=CHECKPOINTS)
def case(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def checkpoint(case: str, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = make_checkpoint(tmp_path_factory.mktemp("golden"), **CHECKPOINTS[case])
    return load_checkpoint(locate(folder))


def test_encodings(case: str, checkpoint: Checkpoint) -> None:
    encoded = [checkpoint.tokenizer.encode(query, document) for query, document in PAIRS]
    assert [pair.ids for pair in encoded] == GOLDEN[case]["ids"]
    assert [pair.type_ids for pair in encoded] == GOLDEN[case]["types"]


@pytest.mark.parametrize("backend", [reference, native])
def test_logits(backend: Callable[[Checkpoint], ReferenceBackend], case: str, checkpoint: Checkpoint) -> None:
    golden = GOLDEN[case]
    arrays = (
        (np.array(ids, np.int32), np.array(types, np.int32))
        for ids, types in zip(golden["ids"], golden["types"], strict=True)
    )
    logits = backend(checkpoint).forward(packed(list(arrays)))
    assert np.std(golden["logits"]) > 0.1
    np.testing.assert_allclose(logits, golden["logits"], rtol=0, atol=TOLERANCE)
