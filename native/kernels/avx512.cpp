// Kernels for CPUs with AVX-512 (F, BW, DQ, VL).
#include "kernels/table.h"
#include "kernels/vec_avx512.h"
#include "kernels/math.inl"
#include "kernels/panels.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"
#include "kernels/gemm_panels.inl"
#include "kernels/tables.inl"

namespace resift {

extern const Kernel avx512_fp32 = fp32_kernel("avx512");
extern const Kernel avx512_bf16 = widening_kernel("avx512");

}  // namespace resift
