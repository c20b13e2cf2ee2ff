// Matrix product of prepared rows with panels of the common layout (see kernel.h). Included by a kernel file, after
// panels.inl and gemm_f32.inl.
//
// `Dot` is the arithmetic of one instruction set:
//   Sum         int32_t or float
//   kRows       rows of a register tile
//   kDepth      k of a panel block that stays in the first-level cache, a multiple of 64
//   kHeader     bytes before a prepared row's values
//   kBytes      bytes of a prepared value; a weight takes kWeightBytes
//   block(a, lda, rows, b, k, first, out)   out[rows][32] (+)= a[rows, k] * b, rows <= kRows
//   value(sum, weights_sum, row)            Vec of sums as floats, not yet scaled
//
// A panel block meets all rows before the next one is read. Bias, activation and residual follow while a tile's sums
// are in the first-level cache. Integer sums are exact; float sums are one chain over k whatever the tile's height.

namespace resift {
namespace {

// x * Phi(x) without a division, for products whose inputs are rounded to 8 bits anyway: absolute error below 4e-5 within
// [-4.4, 4.4] and below 1e-5 |x| outside. Fitted as the functions of math.inl.
inline Vec vgelu_quick(Vec x) {
  static const float p[9] = {3.987618387e-1f,  -6.607689708e-2f, 9.643327445e-3f,  -1.055084518e-3f, 8.430852904e-5f,
                             -4.726379302e-6f, 1.741695144e-7f,  -3.756591482e-9f, 3.572582508e-11f};
  const Vec b = vmin(vset(4.4f), vmax(vset(-4.4f), x)), t = vmul(b, b);
  Vec sum = vset(p[8]);
  for (int i = 7; i >= 0; --i) sum = vfma(sum, t, vset(p[i]));
  return vmul(x, vfma(b, sum, vset(0.5f)));
}

template <class Dot>
struct PanelProduct {
  using Sum = typename Dot::Sum;

  static int depth_of(int k) {
    const int blocks = (padded(k) + Dot::kDepth - 1) / Dot::kDepth;
    return padded((padded(k) + blocks - 1) / blocks);
  }

  static size_t scratch(int rows, int) {
    return sizeof(Sum) * kWide * static_cast<size_t>(smaller(rows, kBlockRows) + Dot::kRows);
  }

  static void gemm(const GemmArgs& g) {
    for (int row = 0; row < g.rows; row += kBlockRows) {
      for (int panel = g.first_panel; panel < g.last_panel; ++panel) {
        multiply(g, row, smaller(kBlockRows, g.rows - row), panel);
      }
    }
  }

 private:
  static const uint8_t* weights(const GemmArgs& g, int panel, int from) {
    const size_t before = static_cast<size_t>(panel) * padded(g.w->k) + from;
    return static_cast<const uint8_t*>(g.w->panels) + before * (kWide * Dot::kWeightBytes);
  }

  // One panel for some rows.
  static void multiply(const GemmArgs& g, int row, int rows, int panel) {
    const int k = padded(g.w->k), step = depth_of(g.w->k);
    const uint8_t* a = static_cast<const uint8_t*>(g.a) + row * g.lda;
    Sum* sums = static_cast<Sum*>(g.scratch);
    const bool whole = step == k;  // then a tile's sums are done at once and need no place of their own
    for (int from = 0; from < k; from += step) {
      const int depth = smaller(step, k - from);
      const uint8_t* b = weights(g, panel, from);
      const bool more = from + depth < k || panel + 1 < g.last_panel;
      const uint8_t* next = b + static_cast<size_t>(depth) * (kWide * Dot::kWeightBytes);
      const int tiles = (rows + Dot::kRows - 1) / Dot::kRows;
      const size_t share = static_cast<size_t>(depth) * (kWide * Dot::kWeightBytes) / tiles / 64 * 64;
      for (int t = 0; t < tiles; ++t) {
        const int r = rows * t / tiles, count = rows * (t + 1) / tiles - r;
        if (more && tiles > 1) fetch(next + t * share, share);
        Sum* out = sums + (whole ? 0 : static_cast<size_t>(r) * kWide);
        Dot::block(a + r * g.lda + Dot::kHeader + static_cast<size_t>(from) * Dot::kBytes, g.lda, count, b, depth,
                   from == 0, out);
        if (from + depth == k) finish(g, out, a + r * g.lda, row + r, panel * kWide, count);
      }
    }
  }

  static void fetch(const uint8_t* from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i);
  }

  static void finish(const GemmArgs& g, const Sum* sums, const uint8_t* a, int row, int column, int rows) {
    switch (g.activation) {
      case Activation::none: return finish_with<identity>(g, sums, a, row, column, rows);
      case Activation::gelu: return finish_with<vgelu_quick>(g, sums, a, row, column, rows);
      case Activation::gelu_tanh: return finish_with<vgelu_tanh>(g, sums, a, row, column, rows);
      case Activation::relu: return finish_with<vrelu>(g, sums, a, row, column, rows);
      case Activation::tanh: return finish_with<vtanh>(g, sums, a, row, column, rows);
    }
  }

  template <Vec (*F)(Vec)>
  static void finish_with(const GemmArgs& g, const Sum* sums, const uint8_t* a, int row, int column, int rows) {
    float* c = g.c + row * g.ldc + column;
    const float* residual = g.residual == nullptr ? nullptr : g.residual + row * g.ldr + column;
    const int columns = g.w->n - column;
    if (columns < kWide) return finish_rows<F, false>(g, sums, a, column, c, residual, rows, columns);
    finish_rows<F, true>(g, sums, a, column, c, residual, rows, kWide);
  }

  template <Vec (*F)(Vec), bool kWhole>
  static void finish_rows(const GemmArgs& g, const Sum* sums, const uint8_t* a, int column, float* c,
                          const float* residual, int rows, int columns) {
    const Packed& w = *g.w;
    for (int r = 0; r < rows; ++r, sums += kWide, c += g.ldc, a += g.lda) {
      const auto one = [&](int j, int n) {
        Vec x = F(Dot::value(sums + j, w, column + j, a));
        if (residual != nullptr) x = vadd(x, kWhole ? vload(residual + j) : vload_n(residual + j, n));
        kWhole ? vstore(c + j, x) : vstore_n(c + j, x, n);
      };
      if constexpr (kWhole) {
        RESIFT_UNROLL
        for (int j = 0; j < kWide; j += kLanes) one(j, kLanes);
      } else {
        for (int j = 0; j < columns; j += kLanes) one(j, smaller(kLanes, columns - j));
      }
      if (residual != nullptr) residual += g.ldr;
    }
  }
};

}  // namespace
}  // namespace resift
