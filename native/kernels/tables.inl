// The tables of functions. Included last by a kernel file.

namespace resift {
namespace {

constexpr Kernel fp32_kernel(const char* name) {
  return {name, Precision::fp32, kPanel, to_float, panel_bytes_floats, pack_panel_floats, nullptr, nullptr, 1, nullptr,
          gemm_floats_scratch, gemm_floats<FloatWeights>, layer_norm, attention_f32_scratch, attention_f32, spin_floats};
}

// bfloat16 weights, float32 arithmetic: for instruction sets without a product of bfloat16.
constexpr Kernel widening_kernel(const char* name) {
  return {name, Precision::bf16, kWide, to_float, panel_bytes_bf16, pack_panel_bf16, nullptr, nullptr, 1, nullptr,
          gemm_floats_scratch, gemm_floats<Bf16Weights>, layer_norm, attention_f32_scratch, attention_f32, spin_floats};
}

// Null where `Dot` has no such thing.
template <class Dot>
constexpr auto prepare_half_of() {
  if constexpr (requires { Dot::prepare_half; }) return Dot::prepare_half;
  else return nullptr;
}

// `Dot` brings the arithmetic and its prepared rows, `Attention` how attention is computed, `Product` the loops.
template <class Dot, class Attention, class Product = PanelProduct<Dot>>
constexpr Kernel panel_kernel(const char* name) {
  constexpr bool kInt8 = Dot::kPrecision == Precision::int8;
  return {name, Dot::kPrecision, kWide, to_float, kInt8 ? panel_bytes_int8 : panel_bytes_bf16,
          kInt8 ? pack_panel_int8 : pack_panel_bf16, Dot::row_bytes, Dot::prepare, Dot::kRowGroup,
          prepare_half_of<Dot>(), Product::scratch, Product::gemm, layer_norm, Attention::scratch, Attention::run,
          Dot::spin};
}

struct FloatAttention {
  static constexpr auto scratch = attention_f32_scratch;
  static constexpr auto run = attention_f32;
};

}  // namespace
}  // namespace resift
