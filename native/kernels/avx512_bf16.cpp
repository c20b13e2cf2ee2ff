// Kernels for CPUs with AVX-512 and both its dot products, of bfloat16 and of int8.
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
#include "kernels/dot_avx512_bf16.inl"
#include "kernels/attention_bf16.inl"
#include "kernels/tables.inl"

namespace resift {

using Attention = Bf16Attention<Bf16Dot>;

extern const Kernel avx512_bf16_bf16 = panel_kernel<Bf16Dot, Attention>("avx512_bf16");
extern const Kernel avx512_bf16_int8 = panel_kernel<UnsignedInt8<Vnni512>, Attention>("avx512_bf16");

}  // namespace resift
