// Kernels for CPUs with AVX2, FMA and F16C.
#include "kernels/table.h"
#include "kernels/vec_avx2.h"
#include "kernels/math.inl"
#include "kernels/panels.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"
#include "kernels/gemm_panels.inl"
#include "kernels/dot_avx2.inl"
#include "kernels/tables.inl"

namespace resift {

extern const Kernel avx2_fp32 = fp32_kernel("avx2");
extern const Kernel avx2_bf16 = widening_kernel("avx2");
extern const Kernel avx2_int8 = panel_kernel<WordsInt8, FloatAttention>("avx2");

}  // namespace resift
