"""Hold a process to an instruction set that is older than the machine's: the knobs that libraries document.

Every knob is an environment variable that the library reads when it starts.

| Variable | Who reads it | Where it is documented |
|---|---|---|
| `RESIFT_CPU_KERNEL` | resift | docs/architecture.md |
| `ONEDNN_MAX_CPU_ISA` | oneDNN, inside torch and OpenVINO | oneDNN, "CPU Dispatcher Control" |
| `OV_CPU_MAX_ISA` | OpenVINO's own kernels, in builds that have it | OpenVINO's sources, `system_conf.cpp` |
| `ATEN_CPU_CAPABILITY` | torch's own kernels | torch, "CPU capability" |
| `FBGEMM_ENABLE_INSTRUCTIONS` | torch's dynamic int8 | FBGEMM, `Utils.cc` |
| `MKL_ENABLE_INSTRUCTIONS` | MKL, torch's fp32 products | oneMKL, "Instruction Set Specific Dispatching" |

onnxruntime's kernels look at the processor alone, and so do OpenVINO's fp32 products, which are the same code (its
runtime model calls them `gemm_mlas`). They cannot be held back, so they are not compared.

That the knobs work was seen in what the libraries say themselves: with `ONEDNN_VERBOSE=1` torch's oneDNN names the
level on its `isa:` line; OpenVINO's runtime model names `brgemm_avx512` kernels without a limit and `jit_gemm` and
`brgemm_avx2` below AVX-512; FBGEMM's and ATen's products become slower by what the width explains. MKL does not use
AVX-512 on processors of other makers at all.
"""

from collections.abc import Mapping

LEVELS = ("avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx")
"""Lowest first; each holds what the ones before it have, but for `avx2_vnni`, which AVX-512 without VNNI lacks."""

_ONEDNN = {
    "avx2": "AVX2", "avx2_vnni": "AVX2_VNNI", "avx512": "AVX512_CORE", "avx512_vnni": "AVX512_CORE_VNNI",
    "avx512_bf16": "AVX512_CORE_BF16", "amx": "AVX512_CORE_AMX",
}  # fmt: skip
_AVX512_FROM = LEVELS.index("avx512")

RESIFT = "RESIFT_CPU_KERNEL"
ONEDNN = "ONEDNN_MAX_CPU_ISA"
OPENVINO = (ONEDNN, "OV_CPU_MAX_ISA")
TORCH = (ONEDNN, "ATEN_CPU_CAPABILITY", "FBGEMM_ENABLE_INSTRUCTIONS", "MKL_ENABLE_INSTRUCTIONS")


def has(level: str, precision: str) -> bool:
    """Whether a level has instructions for a precision: libraries emulate bf16 without them, at a fraction of fp32."""
    return precision != "bf16" or LEVELS.index(level) >= LEVELS.index("avx512_bf16")


def settings(knobs: tuple[str, ...], level: str) -> Mapping[str, str]:
    """Return the environment variables of `knobs` that hold a process to `level`."""
    wide = LEVELS.index(level) >= _AVX512_FROM
    vnni = LEVELS.index(level) > _AVX512_FROM
    values = {
        RESIFT: level,
        ONEDNN: _ONEDNN[level],
        "OV_CPU_MAX_ISA": _ONEDNN[level],
        "ATEN_CPU_CAPABILITY": "avx512" if wide else "avx2",
        "FBGEMM_ENABLE_INSTRUCTIONS": ("AVX512_E1" if vnni else "AVX512") if wide else "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": ("AVX512_E1" if vnni else "AVX512") if wide else "AVX2",
    }
    return {knob: values[knob] for knob in knobs}
