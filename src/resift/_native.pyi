"""The CPU engine and the postings of BM25: C++, without Python types inside. Built by CMakeLists.txt from `native/`."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from resift.types import Float32, Int32, Int64

_Precision = Literal["fp32", "bf16", "int8"]
_UInt64 = npt.NDArray[np.uint64]
_UInt32 = npt.NDArray[np.uint32]
_UInt16 = npt.NDArray[np.uint16]
_UInt8 = npt.NDArray[np.uint8]
_Arrays = tuple[_UInt64, _UInt32, _UInt16, np.ndarray, np.ndarray]

class Encoder:
    """An encoder with a one-score head, its weights packed for the kernels of this machine."""

    def __init__(
        self,
        spec: dict[str, object],
        tensors: dict[str, np.ndarray],
        *,
        threads: int = 0,
        kernel: str | None = None,
        precision: str = "fp32",
    ) -> None:
        """Pack the weights; embedding tables and stored panels stay where they are and are kept alive.

        `kernel` is the highest instruction set to be used. Raises ValueError for a spec that makes no sense, a tensor
        that is missing or of the wrong shape or type, and a kernel that this machine does not have.
        """

    def forward(
        self,
        ids: Int32,
        offsets: Int64,
        types: Int32 | None = None,
        *,
        mode: Literal["throughput", "latency"] | None = None,
    ) -> Float32:
        """Return the logit of every sequence; `mode` is for tests, None chooses by the work.

        Without the interpreter's lock, and safe from several threads at once. Raises ValueError for a malformed batch.
        """

    @property
    def kernel(self) -> str: ...
    @property
    def precision(self) -> _Precision: ...
    @property
    def threads(self) -> int: ...
    @property
    def packed_bytes(self) -> int: ...

def cpu_features() -> dict[str, bool]:
    """Return what CPU and operating system both support."""

def available_kernels(precision: str = "fp32") -> list[str]:
    """Return the instruction sets that this machine has a kernel of that precision for, best first."""

def instruction_sets() -> list[str]:
    """Return the instruction sets of this machine that any kernel is for, best first."""

def peak(precision: str = "fp32", *, kernel: str | None = None, threads: int = 0, seconds: float = 0.2) -> float:
    """Measure the operations per second that a kernel's instructions reach from registers, all threads together."""

def default_threads() -> int:
    """Return the physical cores that affinity and control groups leave to this process."""

def physical_cores(cpus: list[int], root: str) -> int:
    """Return how many cores those CPUs are; `root` is where the system describes its CPUs."""

def cgroup_cpus(membership: str, root: str) -> float | None:
    """Return the CPU quota of a control group: `/proc/self/cgroup`'s text, and where the hierarchies are mounted."""

def text_keys(points: _UInt32, lengths: Int64, kinds: _UInt8, *, whole_words: bool) -> tuple[_UInt64, Int64]:
    """Return the keys of the terms of texts, one after the other, and how many each text has.

    `points` has the texts' code points, `lengths` how many each text has, `kinds` a byte for every code point of
    Unicode: 0 separates, 1 stands in words, 2 is CJK, 3 is left out.
    """

def term_keys(points: _UInt32, lengths: Int64) -> _UInt64:
    """Return the keys of whole terms, laid out as the texts above."""

def invert(keys: _UInt64, lengths: Int64) -> _Arrays:
    """Return terms, offsets, slots, counts and peaks of documents whose keys stand one after the other."""

def merge(parts: list[tuple[Postings, Int32]]) -> _Arrays:
    """Return the arrays of several segments in one; each comes with the new slots of its documents, -1: left out."""

class Postings:
    """The inverted lists of a segment; `native/lexical/postings.h` says how they lie. The arrays are kept alive."""

    def __init__(
        self,
        terms: _UInt64,
        offsets: _UInt32,
        slots: _UInt16,
        counts: np.ndarray,
        peaks: np.ndarray,
        *,
        documents: int,
    ) -> None:
        """Check that the arrays fit together; raises ValueError when they do not. `slots` are believed."""

    def find(self, keys: _UInt64) -> Int64:
        """Return the rows of terms, -1 for those that are not there."""

    def holders(self, rows: Int64, dead: _UInt8 | None = None) -> Int64:
        """Return how many documents that are not dead hold the term of each row."""

    def search(
        self,
        rows: Int64,
        weights: Float32,
        norms: Float32,
        *,
        least_norm: float,
        least: float,
        top_k: int,
        mask: _UInt8 | None = None,
        slots: Int32 | None = None,
    ) -> tuple[Int32, Float32]:
        """Return slots and scores of the best `top_k` documents of score `least` or more, in no order.

        Documents have bytes set in `mask`, or are in `slots`, ascending; no norm is below `least_norm`. Without the
        interpreter's lock.
        """
