"""Several Python threads at once, forked processes, and memory over many calls."""

import gc
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from resift import _native
from tests.native.models import make_batch, make_spec, make_tensors
from tests.native.soak import ALLOWED_GROWTH, Soak

SPEC = make_spec()
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("threads", [1, 3])
def test_many_callers(threads):
    encoder = _native.Encoder(SPEC, make_tensors(SPEC), threads=threads)
    batches = [make_batch(SPEC, [1 + i % 5, 20 + i], seed=i) for i in range(40)]
    modes = ["throughput", "latency", None]
    expected = [encoder.forward(*batch).tobytes() for batch in batches]
    with ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(encoder.forward, *b, mode=modes[i % 3]) for i, b in enumerate(batches * 3)]
        assert [call.result().tobytes() for call in calls] == expected * 3


def test_many_engines_share_their_threads():
    sizes = [1, 3, 2, 3, 2]
    encoders = [_native.Encoder(SPEC, make_tensors(SPEC, seed=i), threads=n) for i, n in enumerate(sizes)]
    batch = make_batch(SPEC, [3, 70, 12, 41])
    expected = [encoder.forward(*batch).tobytes() for encoder in encoders]
    modes = ["throughput", "latency", None]
    with ThreadPoolExecutor(6) as callers:
        calls = [callers.submit(encoders[i % 5].forward, *batch, mode=modes[i % 3]) for i in range(200)]
        assert [call.result().tobytes() for call in calls] == [expected[i % 5] for i in range(200)]


def test_callers_with_errors_among_them():
    encoder = _native.Encoder(SPEC, make_tensors(SPEC), threads=2)
    good, bad = make_batch(SPEC, [4, 30]), make_batch(SPEC, [4, 30])
    bad.ids[7] = SPEC["vocab"]
    expected = encoder.forward(*good).tobytes()
    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(encoder.forward, *(bad if i % 3 == 0 else good)) for i in range(60)]
        for i, call in enumerate(calls):
            if i % 3 == 0:
                assert isinstance(call.exception(), ValueError)
            else:
                assert call.result().tobytes() == expected


FORK = """
import os, sys, threading
from resift import _native
from tests.native.models import make_batch, make_spec, make_tensors

spec = make_spec()
encoder = _native.Encoder(spec, make_tensors(spec), threads=3)
batch = make_batch(spec, [5, 40, 7, 100, 3])
expected = encoder.forward(*batch).tobytes()
other = _native.Encoder(spec, make_tensors(spec), threads=2)
stop = threading.Event()

def work():
    while not stop.is_set():
        assert encoder.forward(*batch, mode="latency").tobytes() == expected

busy = threading.Thread(target=work)
if sys.argv[1] == "busy":
    busy.start()  # forks then happen in the middle of a call
for i in range(10):
    child = os.fork()
    if child == 0:
        calls = [(engine, mode) for engine in (other, encoder) for mode in ("latency", "throughput")]
        same = all(engine.forward(*batch, mode=mode).tobytes() == expected for engine, mode in calls)
        del encoder, other, calls
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0, i
    assert encoder.forward(*batch).tobytes() == expected
stop.set()
if sys.argv[1] == "busy":
    busy.join()
print("done")
"""


def run_alone(program, *arguments):
    """What a process of its own prints, after it has ended well."""
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process with threads")
@pytest.mark.parametrize("state", ["idle", "busy"])
def test_fork(state):
    assert run_alone(FORK, state) == "done\n"


LIFE = """
import os, resource, sys, threading, time
from resift import _native
from tests.native.models import make_batch, make_spec, make_tensors

def threads():
    return len(os.listdir("/proc/self/task"))

spec = make_spec()
batch = make_batch(spec, [5, 40, 7, 100, 3])
others = threads()  # numpy's
encoders = [_native.Encoder(spec, make_tensors(spec), threads=n) for n in (4, 2, 3)]
for encoder in encoders:
    encoder.forward(*batch)
    encoder.forward(*batch, mode="latency")

def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

if sys.argv[1] == "threads":
    print(threads() - others)
    del encoder
    encoders.clear()
    while threads() > others:  # a joined thread is listed for a moment longer
        pass
if sys.argv[1] == "idle":
    time.sleep(0.1)
    before = processor_seconds()
    time.sleep(1)
    print(processor_seconds() - before < 0.1)
if sys.argv[1] == "busy at exit":
    def work():
        while True:
            encoder.forward(*batch, mode="latency")
    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
@pytest.mark.parametrize(
    ("state", "printed"), [("threads", "3\n"), ("idle", "True\n"), ("open at exit", ""), ("busy at exit", "")]
)
def test_engines_come_and_go(state, printed):
    assert run_alone(LIFE, state) == printed


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_stays_flat():
    # `python -m tests.native.soak` makes 10^5 calls. Here one leaked row of scratch would go unseen, one leaked chunk
    # would not.
    assert Soak().growth(1500) < ALLOWED_GROWTH


def test_embedding_tables_are_kept_and_the_rest_is_let_go(tmp_path):
    tensors = make_tensors(SPEC)
    path = tmp_path / "word.npy"
    np.save(path, tensors["embeddings.word"])
    tensors["embeddings.word"] = np.load(path, mmap_mode="r")
    batch = make_batch(SPEC, [4, 9])
    encoder = _native.Encoder(SPEC, tensors, threads=1)
    expected = encoder.forward(*batch).tobytes()
    table, layer = (weakref.ref(tensors[name]) for name in ("embeddings.word", "layers.0.ffn.up.weight"))
    del tensors
    gc.collect()
    assert table() is not None
    assert layer() is None
    assert encoder.forward(*batch).tobytes() == expected
    del encoder
    gc.collect()
    assert table() is None


def test_tensors_may_lie_at_odd_addresses():
    tensors = make_tensors(SPEC)
    moved = {}
    for name, array in tensors.items():
        memory = bytearray(array.nbytes + 1)
        memory[1:] = array.tobytes()
        moved[name] = np.frombuffer(memory, dtype=array.dtype, offset=1).reshape(array.shape)
        moved[name].flags.writeable = False
    batch = make_batch(SPEC, [4, 9])
    aligned, odd = (_native.Encoder(SPEC, t, threads=1).forward(*batch) for t in (tensors, moved))
    assert aligned.tobytes() == odd.tobytes()
