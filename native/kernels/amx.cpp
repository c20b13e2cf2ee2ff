// Kernels for CPUs with AMX (tiles of int8 and of bfloat16), AVX-512 BF16 and VNNI.
#include "kernels/table.h"
#include "kernels/vec_avx512.h"
#include "kernels/math.inl"
#include "kernels/panels.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"
#include "kernels/tile_dot.inl"
#include "kernels/gemm_panels.inl"
#include "kernels/dot_avx512_bf16.inl"
#include "kernels/attention_bf16.inl"
#include "kernels/tiles.h"
#include "kernels/gemm_tiles.inl"
#include "kernels/dot_amx.inl"
#include "kernels/tables.inl"

namespace resift {

extern const Kernel amx_bf16 = panel_kernel<TileBf16, TileAttention, TileProduct<TileBf16>>("amx");
extern const Kernel amx_int8 = panel_kernel<TileInt8, TileAttention, TileProduct<TileInt8>>("amx");

}  // namespace resift
