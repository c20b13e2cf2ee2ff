// Kernel for CPUs with AVX-512 (F, BW, DQ, VL).
#include "kernel.h"
#include "kernels/vec_avx512.h"
#include "kernels/math.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"

namespace resift {

extern const Kernel avx512_kernel = {
    "avx512", kPanel, to_float, panel_bytes, pack_panel, gemm_scratch, gemm, layer_norm, attention_scratch, attention,
};

}  // namespace resift
