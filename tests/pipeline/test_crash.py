"""Whatever ends a writer, wherever: each change is in or not, and every store agrees.

A change that has returned is in. One that was under way is in or not, as a whole. After each crash the folder is opened
again, and what every store finds, word by word, is compared with the model.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from resift.documents import Chunking, as_document, split
from resift.pipeline import Pipeline
from tests.pipeline.crash_plan import Model, after, own_stores
from tests.pipeline.fakes import LetterEncoder, contents, row

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("bm25", "faiss") if find_spec("faiss") is not None else ("bm25",)
STORES = (*FOLDERS, "words")
STEPS = ("added to", "deleted from", "saved")
CHUNKING = Chunking(size=100, overlap=20)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and sends signals")


class Writer:
    """The process of `crash_writer`, and what it has done to one folder."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]", seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.number = 0
        self.model: Model = {}
        self._process = process
        self._journal = folder.with_suffix(".journal")
        self._died = folder.with_suffix(".died")
        own = own_stores(folder)
        with Pipeline.create(
            folder, stores=FOLDERS, encoder=LetterEncoder(), own_stores=own, chunking=CHUNKING, reranker=False
        ):
            pass

    def run(self, **job: Any) -> str:
        """Write until it dies; returns where that was. The model follows."""
        self._journal.write_text("")
        self._died.write_text("")
        places = {"folder": str(self.folder), "journal": str(self._journal), "died": str(self._died)}
        asked = {**places, "seed": self.seed, "first": self.number, "last": self.number + 60, **job}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        died = self._died.read_text()
        assert status in (-9, -14, 0, 3), (status, died)
        done = [int(line) for line in self._journal.read_text().splitlines()]
        for number in done:
            self.model = after(self.model, self.seed, number)[-1]
        self.number += len(done)
        self.check()
        return died

    def check(self) -> None:
        """Open the folder, see that it is in one of the states that it may be in, and go on from there."""
        own = own_stores(self.folder)
        with Pipeline(self.folder, reranker=False, own_stores=own, encoder=LetterEncoder()) as pipeline:
            found = contents(pipeline)
            for name in STORES:
                assert found_by(pipeline, name) == passages(pipeline), name
        states = [self.model, *after(self.model, self.seed, self.number)]
        assert found in [expected(model) for model in states]
        if found != expected(self.model):  # the change that was under way is in, or as far as its first part
            self.model = next(model for model in states if expected(model) == found)
            self.number += 1


def expected(model: Model) -> dict[str, list[str]]:
    return {name: [one.text for one in split(as_document(row(name, text)), CHUNKING)] for name, text in model.items()}


def passages(pipeline: Pipeline) -> set[str]:
    return {f"{name}#{place}" for name, texts in contents(pipeline).items() for place in range(len(texts))}


def found_by(pipeline: Pipeline, store: str) -> set[str]:
    """Return what a store finds, asked for words of all texts and for each document's own."""
    asked = ["rains green harbour", *contents(pipeline)]
    results = pipeline.search_many(asked, top_k=1000, rerank=False, stores=[store])
    assert all(len({hit.id for hit in result}) == len(result) for result in results)
    return {hit.id for result in results for hit in result}


@pytest.fixture(scope="module")
def process() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.crash_writer"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()


def test_without_a_crash_the_model_is_right(tmp_path: Path, process: "subprocess.Popen[str]") -> None:
    writer = Writer(tmp_path / "p", process, seed=1)
    assert writer.run() == ""
    assert writer.number == 60
    assert writer.model


def test_killed_at_every_step(tmp_path: Path, process: "subprocess.Popen[str]") -> None:
    writer = Writer(tmp_path / "p", process, seed=2)
    steps = ["begin", "committed", "applied", *(f"{step} {store}" for step in STEPS for store in STORES)]
    for time in (1, 2, 3):
        for step in steps:
            assert writer.run(step=step, time=time) == step


def test_killed_at_any_moment(tmp_path: Path, process: "subprocess.Popen[str]") -> None:
    writer = Writer(tmp_path / "p", process, seed=3)
    draw = random.Random(3)
    for _ in range(40):
        writer.run(seconds=draw.uniform(0.005, 0.12))
    assert writer.number > 0


def test_a_full_disk(tmp_path: Path, process: "subprocess.Popen[str]") -> None:
    writer = Writer(tmp_path / "p", process, seed=4)
    died = {writer.run(largest=size, last=writer.number + 300) for size in (1000, 5000, 60_000, 90_000, 120_000)}
    assert any(one.startswith("OSError") for one in died)
