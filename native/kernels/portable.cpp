// Kernel for any CPU, in the vector types of GCC and Clang.
#include "kernel.h"
#include "kernels/vec_portable.h"
#include "kernels/math.inl"
#include "kernels/gemm_f32.inl"
#include "kernels/attention_f32.inl"
#include "kernels/rows.inl"

namespace resift {

extern const Kernel portable_kernel = {
    "portable", kPanel, to_float, panel_bytes, pack_panel, gemm_scratch, gemm, layer_norm, attention_scratch, attention,
};

}  // namespace resift
