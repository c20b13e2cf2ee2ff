"""Many calls of random shape: nothing crashes, no logit is wrong, resident memory stays flat.

    PYTHONPATH=src python -m tests.native.soak [CALLS]

Engines of every precision and kernel live side by side; now and then one is closed and opened again, and a batch is
damaged. Prints the resident memory at intervals; ends with 1 when it grew by more than 4 MB after the first tenth.
"""

import sys
from pathlib import Path

import numpy as np

from resift import _native
from tests.native.models import make_batch, make_spec, make_tensors, select
from tests.native.precisions import stored

SPEC = make_spec(hidden=48, heads=2, ffn=100)
MODES = (None, "throughput", "latency")
ALLOWED_GROWTH = 4 << 20


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Soak:
    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        plain = make_tensors(SPEC)
        self.tensors = {p: [plain, stored(SPEC, plain, p)] for p in ("fp32", "bf16", "int8")}
        self.kinds = [(p, kernel) for p in self.tensors for kernel in _native.available_kernels(p)]
        self.engines = [self.open(kind) for kind in self.kinds]
        # Thousands of bytes in a batch, so that a call's own memory is of every size.
        self.lengths = self.rng.integers(1, 90, 400)
        self.batch = make_batch(SPEC, self.lengths.tolist())
        self.expected = [engine.forward(*self.batch) for engine in self.engines]

    def open(self, kind):
        precision, kernel = kind
        tensors = self.tensors[precision][self.rng.integers(2)]
        return _native.Encoder(SPEC, tensors, threads=int(self.rng.integers(1, 4)), kernel=kernel, precision=precision)

    def call(self):
        """One call with its check, on a random engine."""
        rng = self.rng
        which = rng.integers(len(self.engines))
        if rng.random() < 0.01:
            self.engines[which] = self.open(self.kinds[which])
        order = rng.integers(0, len(self.lengths), rng.integers(1, 40 if rng.random() < 0.05 else 6))
        batch = select(self.batch, order)
        if rng.random() < 0.02:
            batch.ids[rng.integers(len(batch.ids))] = SPEC["vocab"]
            try:
                self.engines[which].forward(*batch)
            except ValueError:
                return
            raise AssertionError("an id out of range was scored")
        got = self.engines[which].forward(*batch, mode=MODES[rng.integers(3)])
        assert got.tobytes() == self.expected[which][order].tobytes()

    def growth(self, calls, report=None):
        """Bytes of resident memory that came on top after the first tenth of the calls."""
        first = 0
        for done in range(calls):
            if done == calls // 10:
                first = resident_bytes()
            if report is not None and done % (calls // 10) == 0:
                report(f"{done} calls, {resident_bytes() / 2**20:.1f} MB")
            self.call()
        return resident_bytes() - first


if __name__ == "__main__":
    grown = Soak().growth(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, report=print)
    print(f"grew by {grown / 2**20:.1f} MB")
    sys.exit(grown > ALLOWED_GROWTH)
