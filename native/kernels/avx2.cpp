// Kernel for CPUs with AVX2, FMA and F16C.
#include "kernel.h"
#include "kernels/vec_avx2.h"
#include "kernels/math.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"

namespace resift {

extern const Kernel avx2_kernel = {
    "avx2", kPanel, to_float, panel_bytes, pack_panel, gemm_scratch, gemm, layer_norm, attention_scratch, attention,
};

}  // namespace resift
