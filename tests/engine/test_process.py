"""A real worker process on tiny checkpoints: right logits, whatever happens to the process."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resift.engine import process
from resift.engine.process import EngineProcess, patience
from resift.engine.worker import ModelPlan, open_backend
from resift.errors import (
    DeviceError,
    EngineClosed,
    EngineError,
    EngineLost,
    InputError,
    ModelLayoutError,
    ResiftError,
)
from resift.loading.checkpoint import load_text_side
from resift.loading.source import locate
from resift.types import PackedBatch
from tests.batches import packed, random_sequences
from tests.engine import traps

pytestmark = pytest.mark.timeout(120)


def make_plan(folder: Path) -> ModelPlan:
    return ModelPlan(folder=folder, spec=load_text_side(locate(folder)).spec)


@pytest.fixture
def plan(checkpoint: Path, tmp_path: Path) -> ModelPlan:
    """A copy of the tiny checkpoint, whose folder a trap may write to."""
    return make_plan(Path(shutil.copytree(checkpoint, tmp_path / "model")))


def batch_of(plan: ModelPlan, *lengths: int, seed: int = 0) -> PackedBatch:
    """Random sequences without the tokens of traps."""
    return packed(random_sequences(replace(plan.spec, vocab=300), lengths, seed=seed))


def trap(token: int) -> PackedBatch:
    return PackedBatch(np.array([0, 7, token, 2], np.int32), np.array([0, 4], np.int64))


class Changes:
    """What `on_change` was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[bool] = []
        self._changed = threading.Condition()

    def __call__(self, ready: bool) -> None:
        with self._changed:
            self.told.append(ready)
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= count, 60)


@pytest.mark.parametrize("family", ["xlm-roberta", "roberta", "bert"])
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_logits_are_those_of_the_backend(checkpoints: dict[str, Path], family: str, backend: str) -> None:
    plan = replace(make_plan(checkpoints[family]), backend=backend)
    batches = [batch_of(plan, *lengths, seed=seed) for seed, lengths in enumerate([(5,), (4, 90, 17), (30,) * 40])]
    direct = open_backend(plan, 1)
    with EngineProcess({"m": plan}, threads=1) as engine:
        assert engine.ready
        assert engine.backend_info("m") == (direct.name, direct.precision, direct.kernel)
        for batch in batches:
            logits = engine.forward("m", batch)
            assert logits.dtype == np.float32
            assert logits.tobytes() == direct.forward(batch).tobytes()


def test_two_models_and_many_threads(checkpoints: dict[str, Path]) -> None:
    plans = {family: make_plan(checkpoints[family]) for family in ("bert", "roberta")}
    direct = {name: open_backend(plan, 1) for name, plan in plans.items()}
    calls = [(name, batch_of(plans[name], 3 + seed, 40, seed=seed)) for seed in range(40) for name in plans]
    with EngineProcess(plans, threads=2) as engine, ThreadPoolExecutor(8) as threads:
        for (name, batch), logits in zip(calls, threads.map(lambda call: engine.forward(*call), calls), strict=True):
            assert logits.tobytes() == direct[name].forward(batch).tobytes()


def test_a_batch_larger_than_a_pipe(plan: ModelPlan) -> None:
    batch = batch_of(plan, *[100] * 600)
    with EngineProcess({"m": plan}, threads=2) as engine:
        assert np.array_equal(engine.forward("m", batch), open_backend(plan, 2).forward(batch))


def test_the_worker_holds_weights_and_no_tokenizer(plan: ModelPlan) -> None:
    with EngineProcess({"m": plan}, threads=1, open_backend=traps.open_modest) as engine:
        assert engine.ready


def test_a_killed_worker_is_followed_by_another(plan: ModelPlan) -> None:
    changes = Changes()
    batch = batch_of(plan, 20, 30)
    expected = open_backend(plan, 1).forward(batch)
    with EngineProcess({"m": plan}, threads=1, on_change=changes) as engine:
        for losses in range(1, 3):
            before = engine.pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            changes.wait(2 * losses + 1)
            assert engine.restarts == losses
            assert engine.pid != before
            assert np.array_equal(engine.forward("m", batch), expected)
    assert changes.told == [True, False, True, False, True]


def test_a_worker_killed_in_the_middle_of_a_batch(plan: ModelPlan) -> None:
    with EngineProcess({"m": plan}, threads=1, open_backend=traps.open_trap) as engine:
        with pytest.raises(EngineLost, match=r"was ended by signal 9 \(for its memory\?\) while it worked"):
            engine.forward("m", trap(traps.DIE_ONCE))
        again = engine.forward("m", trap(traps.DIE_ONCE))
        assert np.array_equal(again, open_backend(plan, 1).forward(trap(traps.DIE_ONCE)))
        assert engine.restarts == 1


def test_a_batch_waits_while_there_is_no_worker(plan: ModelPlan) -> None:
    """Loading fails until the file is gone: a batch that is asked for meanwhile is not lost."""
    changes = Changes()
    once = plan.folder / "opened-once"
    batch = batch_of(plan, 20)
    with (
        EngineProcess({"m": plan}, threads=1, open_backend=traps.open_once, on_change=changes) as engine,
        ThreadPoolExecutor(1) as thread,
    ):
        with pytest.raises(EngineLost):
            engine.forward("m", trap(traps.DIE))
        changes.wait(2)
        assert not engine.ready
        asked = thread.submit(engine.forward, "m", batch)
        once.unlink()
        assert np.array_equal(asked.result(60), open_backend(plan, 1).forward(batch))
        assert changes.told == [True, False, True]


def test_a_worker_that_hangs_is_ended(plan: ModelPlan) -> None:
    batches = (batch_of(plan, 20), batch_of(plan, 30))
    with EngineProcess(
        {"m": plan}, threads=1, open_backend=traps.open_trap, patience=lambda tokens, pace: 0.2 if tokens == 4 else 60.0
    ) as engine:
        with pytest.raises(EngineLost, match="did not answer"):
            engine.forward("m", trap(traps.HANG_ONCE))
        for batch in batches:
            assert np.array_equal(engine.forward("m", batch), open_backend(plan, 1).forward(batch))
        assert engine.restarts == 1


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP here")
def test_a_worker_that_reads_nothing_is_ended(plan: ModelPlan) -> None:
    """A stopped process: the batch does not fit the pipe, so that writing it blocks. Another worker gets it whole."""
    batch = batch_of(plan, *[100] * 600)
    changes = Changes()

    def patience(tokens: int, pace: float | None) -> float:
        return 0.2 if changes.told == [True] else 60.0

    with EngineProcess({"m": plan}, threads=1, patience=patience, on_change=changes) as engine:
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGSTOP)
        os.waitpid(engine.pid, os.WUNTRACED)
        assert np.array_equal(engine.forward("m", batch), open_backend(plan, 1).forward(batch))
        assert engine.restarts == 1


def test_patience_grows_with_the_work() -> None:
    assert patience(8192, None) > patience(10, None) >= 60
    assert patience(8192, 0.01) > 20 * 8192 * 0.01


def test_errors_of_a_batch_come_back_as_they_are(plan: ModelPlan, capfd: pytest.CaptureFixture[str]) -> None:
    with EngineProcess({"m": plan}, threads=1, open_backend=traps.open_trap) as engine:
        with pytest.raises(InputError, match="that token is refused") as caught:
            engine.forward("m", trap(traps.REFUSE))
        assert caught.value.hint == "use another"
        with pytest.raises(EngineError, match="MemoryError: none left"):
            engine.forward("m", trap(traps.NO_MEMORY))
        with pytest.raises(InputError):
            engine.forward("m", trap(plan.spec.vocab))
        assert engine.forward("m", trap(5)).shape == (1,)
        assert engine.restarts == 0
    shown = capfd.readouterr()
    assert "MemoryError" in shown.err
    assert shown.out == ""


def broken_weights(plan: ModelPlan) -> ModelPlan:
    weights = plan.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return plan


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (broken_weights, ModelLayoutError),
        (lambda plan: replace(plan, precision="int3"), DeviceError),
        (lambda plan: replace(plan, backend="abacus"), DeviceError),
    ],
)
def test_errors_of_loading_are_those_of_a_direct_load(plan: ModelPlan, change, kind: type[ResiftError]) -> None:
    bad = change(plan)
    with pytest.raises(kind) as direct:
        open_backend(bad, 1)
    with pytest.raises(kind) as ours:
        EngineProcess({"good": make_plan(plan.folder) if change is not broken_weights else bad, "m": bad}, threads=1)
    assert type(ours.value) is type(direct.value)
    assert (ours.value.message, ours.value.hint) == (direct.value.message, direct.value.hint)


@pytest.mark.parametrize(
    ("opener", "reason"),
    [
        (traps.open_killed, "signal 9 .* while it loaded the models"),
        (traps.open_broken, "ZeroDivisionError: a bug"),
    ],
)
def test_a_worker_that_cannot_load(plan: ModelPlan, opener, reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        EngineProcess({"m": plan}, threads=1, open_backend=opener)


def test_a_process_that_cannot_be_started(plan: ModelPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(plan.folder / "no-such-python"))
    with pytest.raises(EngineLost, match="cannot be started"):
        EngineProcess({"m": plan}, threads=1)


def test_a_worker_that_cannot_be_followed_is_followed_by_another(
    plan: ModelPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the system has no more threads: the supervisor must not end, for nobody would be told."""
    read, asked = process.read_answer, threading.Event()

    def broken(stream):
        answer = read(stream)
        if answer is not None and answer.number and not asked.is_set():
            asked.set()
            raise RuntimeError("can't start new thread")
        return answer

    monkeypatch.setattr(process, "read_answer", broken)
    changes = Changes()
    with EngineProcess({"m": plan}, threads=1, on_change=changes) as engine:
        with pytest.raises(EngineLost, match="can't start new thread"):
            engine.forward("m", batch_of(plan, 5))
        changes.wait(3)
        assert len(engine.forward("m", batch_of(plan, 5))) == 1
        assert engine.restarts == 1


def test_closing(plan: ModelPlan) -> None:
    changes = Changes()
    engine = EngineProcess({"m": plan}, threads=1, open_backend=traps.open_trap, on_change=changes)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(engine.forward, "m", trap(traps.HANG)) for _ in range(2)]
        engine.close()
        for future in asked:
            with pytest.raises(EngineClosed):
                future.result(60)
    engine.close()
    with pytest.raises(EngineClosed):
        engine.forward("m", trap(5))
    assert not engine.ready
    assert engine.pid is None
    assert changes.told == [True]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_signals_of_the_terminal_do_not_end_the_worker(plan: ModelPlan) -> None:
    with EngineProcess({"m": plan}, threads=1) as engine:
        assert engine.pid is not None
        assert os.getpgid(engine.pid) != os.getpgid(0)
        for told in (signal.SIGINT, signal.SIGTERM):
            os.kill(engine.pid, told)
        assert engine.forward("m", trap(5)).shape == (1,)
        assert engine.restarts == 0


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_the_worker_is_what_goes_when_memory_is_short(plan: ModelPlan) -> None:
    with EngineProcess({"m": plan}, threads=1) as engine:
        scores = [Path(f"/proc/{pid}/oom_score_adj").read_text() for pid in (engine.pid, "self")]
    assert int(scores[0]) == min(int(scores[1]) + 500, 1000)


FRONT = """
import sys, threading
from pathlib import Path
from tests.engine.test_process import make_plan, trap
from tests.engine import traps
from resift.engine.process import EngineProcess

engine = EngineProcess({"m": make_plan(Path(sys.argv[1]))}, threads=1, open_backend=traps.open_trap)
print(engine.pid, file=sys.stderr, flush=True)
if sys.argv[2] == "in a batch":
    engine.forward("m", trap(traps.HANG))
sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("when", ["idle", "in a batch"])
def test_the_worker_ends_with_the_front_however_that_ends(plan: ModelPlan, when: str) -> None:
    """Both hold the error output open: it ends when both have."""
    front = subprocess.Popen(
        [sys.executable, "-c", FRONT, str(plan.folder), when],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    with front:
        assert front.stderr is not None
        assert int(front.stderr.readline()) > 0
        if when == "in a batch":
            assert front.stderr.readline() == "hanging\n"
        front.kill()
        assert front.stderr.read() == ""
