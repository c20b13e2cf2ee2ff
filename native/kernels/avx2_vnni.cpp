// Kernel for CPUs with AVX2 and the int8 dot product in its encoding (AVX-VNNI).
#include "kernels/table.h"
#include "kernels/vec_avx2.h"
#include "kernels/math.inl"
#include "kernels/panels.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"
#include "kernels/tile_dot.inl"
#include "kernels/gemm_panels.inl"
#include "kernels/dot_avx2_vnni.inl"
#include "kernels/tables.inl"

namespace resift {

extern const Kernel avx2_vnni_int8 = panel_kernel<UnsignedInt8<Vnni256>, FloatAttention>("avx2_vnni");

}  // namespace resift
