// Kernels for any CPU, in the vector types of GCC and Clang.
#include "kernels/table.h"
#include "kernels/vec_portable.h"
#include "kernels/math.inl"
#include "kernels/panels.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"
#include "kernels/gemm_panels.inl"
#include "kernels/dot_portable.inl"
#include "kernels/tables.inl"

namespace resift {

extern const Kernel portable_fp32 = fp32_kernel("portable");
extern const Kernel portable_bf16 = widening_kernel("portable");
extern const Kernel portable_int8 = panel_kernel<PlainInt8, FloatAttention>("portable");

}  // namespace resift
