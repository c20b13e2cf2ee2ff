"""The CPU engine: C++, without Python types inside. Built by CMakeLists.txt from `native/`."""

from typing import Literal

import numpy as np

from resift.types import Float32, Int32, Int64

_Precision = Literal["fp32", "bf16", "int8"]

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
