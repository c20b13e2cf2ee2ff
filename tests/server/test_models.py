"""Models by name, their policies, and what makes a cached score another one's."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from resift.errors import InputError
from resift.loading.checkpoint import load_text_side
from resift.loading.source import ModelSource, locate
from resift.server import models as served_models
from resift.server.errors import UnknownModel
from resift.server.models import ServedModel, ServedModels, fingerprint
from resift.server.records import Work
from resift.server.settings import ModelSettings
from resift.types import Windows

BACKEND: tuple[str, Any, str] = ("native", "fp32", "avx2")


def served(folder: Path, name: str = "tiny", hub_id: str | None = None, **options: Any) -> ServedModel:
    source = locate(folder)
    if hub_id is not None:
        source = ModelSource(name=hub_id, folder=folder, revision="5f0c1a2", kind="hub")
    return ServedModel(ModelSettings(name=name, **options), load_text_side(source), backend=BACKEND)


def key(model: ServedModel, **options: Any) -> bytes:
    return model.policy(Work(pairs=(), **options)).keys.query("egg").document("water")


def test_names(checkpoint: Path) -> None:
    one = served(checkpoint, "bge", "BAAI/bge-reranker-v2-m3")
    two = served(checkpoint, "other", "Acme/other")
    models = ServedModels([one, two])
    for name in (None, "bge"):
        assert models.find(name) is one
    assert models.find("other") is two
    assert [card.name for card in models.cards] == ["bge", "other"]
    for name in ("", "BGE", "BAAI/bge-reranker-v2-m3", "bge "):  # lenient is the routes' part
        with pytest.raises(UnknownModel, match="bge, other"):
            models.find(name)
    with pytest.raises(UnknownModel) as error:
        models.find("x" * 10_000)
    assert len(str(error.value)) < 300


def test_what_a_score_depends_on_is_in_the_key(checkpoint: Path, tmp_path: Path) -> None:
    model = served(checkpoint)
    keys = [
        key(model),
        key(model, max_length=64),
        key(model, truncation="flag"),
        key(model, query_tokens=5),
        key(model, document_tokens=5),
        key(model, windows=Windows()),
        key(model, windows=Windows(size=9, overlap=2)),
        key(model, windows=Windows(aggregate="mean")),
        key(served(checkpoint, hub_id="a/b")),
    ]
    for place, other in enumerate([("reference", "fp32", "avx2"), ("native", "int8", "avx2"), ("native", "fp32", "x")]):
        text = load_text_side(locate(checkpoint))
        changed: tuple[str, Any, str] = other
        keys.append(key(ServedModel(ModelSettings(name=f"m{place}"), text, backend=changed)))
    assert len(set(keys)) == len(keys)
    same = [
        key(model, scores="raw"),
        key(model, template="{text}"),
        key(model, priority="high", deadline=3, strict=True),
        key(model, max_length=128, truncation="longest_first"),
        key(served(checkpoint, "another name")),
    ]
    assert set(same) == {keys[0]}


def test_another_version_has_other_keys(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache on disk outlives an upgrade, after which a text's tokens or a kernel's sums may be others."""
    before = key(served(checkpoint))
    monkeypatch.setattr(served_models, "_PROGRAMS", ("0.0.9", "0.1"))
    assert key(served(checkpoint)) != before


def test_other_files_other_keys(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder)
    source = locate(folder)
    before = fingerprint(source)
    assert fingerprint(source) == before
    weights = folder / "model.safetensors"
    os.utime(weights, ns=(1, weights.stat().st_mtime_ns + 1))
    after = fingerprint(source)
    assert after != before
    (folder / "README.md").write_text("notes")
    assert fingerprint(source) != after


def test_policies_are_kept(checkpoint: Path) -> None:
    model = served(checkpoint)
    assert model.policy(Work(pairs=())) is model.policy(Work(pairs=(), priority="low"))
    raw = model.policy(Work(pairs=(), scores="raw"))
    assert raw.encoder is model.policy(Work(pairs=())).encoder and raw.info.scores == "raw"


@pytest.mark.parametrize(
    ("query", "document", "windows", "tokens"),
    [
        (5, 10, None, 19),
        (500, 500, None, 128),
        (5, 10, Windows(size=20, overlap=5), 19),
        (5, 35, Windows(size=20, overlap=5), 2 * 29),
        (5, 36, Windows(size=20, overlap=5), 3 * 29),
        (5, 35, Windows(size=20, overlap=30), 128),
    ],
)
def test_tokens_of_a_pair(checkpoint: Path, query: int, document: int, windows: Windows | None, tokens: int) -> None:
    policy = served(checkpoint).policy(Work(pairs=(), windows=windows))
    found = policy.most_tokens(query, document)
    assert tokens <= found <= tokens + 29


@pytest.mark.parametrize("options", [{"max_length": 5}, {"truncation": "first"}, {"template": "{"}])
def test_settings_that_do_not_fit(checkpoint: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        served(checkpoint, **options)


def test_a_cut_vocabulary_is_said_once(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    import asyncio
    from dataclasses import replace

    from tests.server.engines import LocalEngine, running

    async def warned() -> None:
        async with running({"tiny": checkpoint}) as (service, engine, _):
            assert isinstance(engine, LocalEngine)
            model = service._models.find(None)
            policy = model.policy(Work(pairs=()))
            known = policy.encoder.encode_query("egg").ids[0]  # as if it were the token of what was cut
            model.policy = lambda _: replace(policy, unknown_id=int(known))  # type: ignore[method-assign]
            for _ in range(3):
                await service.run(Work(pairs=[("egg", f"water {i}") for i in range(40)]))

    with caplog.at_level(logging.WARNING):
        asyncio.run(warned())
    assert len([record for record in caplog.records if "unknown to this model" in record.message]) == 1
