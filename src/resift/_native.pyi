"""The CPU engine: C++, without Python types inside. Built by CMakeLists.txt from `native/`."""

from typing import Literal

import numpy as np

from resift.types import Float32, Int32, Int64

class Encoder:
    """An encoder with a one-score head, its weights packed for one kernel."""

    def __init__(
        self,
        spec: dict[str, object],
        tensors: dict[str, np.ndarray],
        *,
        threads: int = 0,
        kernel: str | None = None,
    ) -> None:
        """Pack the weights; the embedding tables stay where they are and are kept alive.

        Raises ValueError for a spec that makes no sense, a tensor that is missing or of the wrong shape or type, and
        a kernel that this machine does not have.
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
    def threads(self) -> int: ...
    @property
    def packed_bytes(self) -> int: ...

def cpu_features() -> dict[str, bool]:
    """Return what CPU and operating system both support."""

def available_kernels() -> list[str]:
    """Return the kernels that this machine can run, best first."""

def default_threads() -> int:
    """Return the physical cores that affinity and control groups leave to this process."""

def physical_cores(cpus: list[int], root: str) -> int:
    """Return how many cores those CPUs are; `root` is where the system describes its CPUs."""

def cgroup_cpus(membership: str, root: str) -> float | None:
    """Return the CPU quota of a control group: `/proc/self/cgroup`'s text, and where the hierarchies are mounted."""
