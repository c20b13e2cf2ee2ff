// The kernels of this build, by instruction set and precision.
#pragma once

#include "kernel.h"

namespace resift {

extern const Kernel portable_fp32, portable_bf16, portable_int8;
#if defined(RESIFT_X86)
extern const Kernel avx2_fp32, avx2_bf16, avx2_int8;
extern const Kernel avx2_vnni_int8;
extern const Kernel avx512_fp32, avx512_bf16;
extern const Kernel avx512_vnni_int8;
extern const Kernel avx512_bf16_bf16, avx512_bf16_int8;
extern const Kernel amx_bf16, amx_int8;
#endif
#if defined(RESIFT_ARM64)
extern const Kernel neon_dotprod_int8;
#endif

}  // namespace resift
