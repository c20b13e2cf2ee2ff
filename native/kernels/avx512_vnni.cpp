// Kernel for CPUs with AVX-512 and its int8 dot product (VNNI).
#include "kernels/table.h"
#include "kernels/vec_avx512.h"
#include "kernels/math.inl"
#include "kernels/panels.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"
#include "kernels/tile_dot.inl"
#include "kernels/gemm_panels.inl"
#include "kernels/dot_avx512_vnni.inl"
#include "kernels/tables.inl"

namespace resift {

extern const Kernel avx512_vnni_int8 = panel_kernel<UnsignedInt8<Vnni512>, FloatAttention>("avx512_vnni");

}  // namespace resift
