// Kernel for ARM CPUs with the dot product of int8 (Armv8.2 dotprod).
#include "kernels/table.h"
#include "kernels/vec_portable.h"
#include "kernels/math.inl"
#include "kernels/panels.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"
#include "kernels/gemm_panels.inl"
#include "kernels/dot_neon.inl"
#include "kernels/tables.inl"

namespace resift {

extern const Kernel neon_dotprod_int8 = panel_kernel<NeonInt8, FloatAttention>("neon_dotprod");

}  // namespace resift
