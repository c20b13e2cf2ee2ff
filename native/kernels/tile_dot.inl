// A register tile over dot products of four bytes: four int8 or two bfloat16 of a row with as many of each weight.
// Included by a kernel file, after gemm_f32.inl.
//
// `Ops`: Reg, Sum, kVecs vectors in a panel's 32 outputs, kRows, and zero, load, store, weights, broadcast, dot.

namespace resift {
namespace {

template <class Ops>
struct DotTile {
  using Sum = typename Ops::Sum;
  using Fn = void (*)(const uint8_t*, size_t, const uint8_t*, int, bool, Sum*);

  // out[R][32] (+)= a[R] * b, `steps` groups of four bytes.
  template <int R>
  static void tile(const uint8_t* a, size_t lda, const uint8_t* b, int steps, bool first, Sum* out) {
    typename Ops::Reg sum[R][Ops::kVecs];
    RESIFT_UNROLL
    for (int r = 0; r < R; ++r) {
      RESIFT_UNROLL
      for (int v = 0; v < Ops::kVecs; ++v) {
        sum[r][v] = first ? Ops::zero() : Ops::load(out + r * kWide + v * (kWide / Ops::kVecs));
      }
    }
    // Three rows to a pointer: base, base + lda and base + 2 lda are addresses that an instruction can form.
    constexpr int kPointers = (R + 2) / 3;
    const uint8_t* row[kPointers];
    RESIFT_UNROLL
    for (int i = 0; i < kPointers; ++i) row[i] = a + 3 * i * lda;
    for (int step = 0; step < steps; ++step, b += 4 * kWide) {
      typename Ops::Reg weight[Ops::kVecs];
      RESIFT_UNROLL
      for (int v = 0; v < Ops::kVecs; ++v) weight[v] = Ops::weights(b + v * (4 * kWide / Ops::kVecs));
      RESIFT_UNROLL
      for (int r = 0; r < R; ++r) {
        const typename Ops::Reg x = Ops::broadcast(row[r / 3] + r % 3 * lda);
        RESIFT_UNROLL
        for (int v = 0; v < Ops::kVecs; ++v) sum[r][v] = Ops::dot(sum[r][v], x, weight[v]);
      }
      RESIFT_UNROLL
      for (int i = 0; i < kPointers; ++i) row[i] += 4;
    }
    RESIFT_UNROLL
    for (int r = 0; r < R; ++r) {
      RESIFT_UNROLL
      for (int v = 0; v < Ops::kVecs; ++v) Ops::store(out + r * kWide + v * (kWide / Ops::kVecs), sum[r][v]);
    }
  }

  template <int R>
  static Fn of(int rows) {
    if constexpr (R == 0) {
      return nullptr;
    } else {
      return rows == R ? &tile<R> : of<R - 1>(rows);
    }
  }

  static void block(const uint8_t* a, size_t lda, int rows, const uint8_t* b, int steps, bool first, Sum* out) {
    of<Ops::kRows>(rows)(a, lda, b, steps, first, out);
  }

  // The tile's instructions with nothing to load: twice the products, in operations.
  static double spin(long rounds) {
    typename Ops::Reg sum[Ops::kRows][Ops::kVecs];
    alignas(64) uint8_t bytes[64] = {};
    __asm__ volatile("" : : "r"(bytes) : "memory");
    const typename Ops::Reg x = Ops::broadcast(bytes), w = Ops::weights(bytes);
    for (auto& r : sum) {
      for (auto& s : r) s = Ops::zero();
    }
    for (long i = 0; i < rounds; ++i) {
      RESIFT_UNROLL
      for (int r = 0; r < Ops::kRows; ++r) {
        RESIFT_UNROLL
        for (int v = 0; v < Ops::kVecs; ++v) sum[r][v] = Ops::dot(sum[r][v], x, w);
      }
    }
    alignas(64) Sum sink[kWide];
    for (auto& r : sum) {
      for (auto& s : r) {
        Ops::store(sink, s);
        __asm__ volatile("" : : "r"(sink) : "memory");
      }
    }
    return 2.0 * static_cast<double>(rounds) * Ops::kRows * kWide * Ops::kProducts;
  }
};

// For `PanelProduct`: an instruction that multiplies unsigned by signed bytes. Prepared rows hold x + 128, and 128 times
// the sum of the weights is taken off at the end.
template <class Ops>
struct UnsignedInt8 {
  using Sum = int32_t;
  static constexpr Precision kPrecision = Precision::int8;
  static constexpr int kRows = Ops::kRows, kDepth = 1024, kHeader = kRowHeader, kBytes = 1, kWeightBytes = 1;
  static constexpr int kRowGroup = 1;
  static constexpr auto row_bytes = row_bytes_int8;
  static constexpr auto prepare = prepare_int8<0x80>;
  static constexpr auto spin = DotTile<Ops>::spin;

  static void block(const uint8_t* a, size_t lda, int rows, const uint8_t* b, int k, bool first, Sum* out) {
    DotTile<Ops>::block(a, lda, rows, b, k / 4, first, out);
  }
  static Vec value(const Sum* sums, const Packed& w, int column, const uint8_t* row) {
    return scaled_sums(vload_i32_less(sums, w.sums + column), w, column, row);
  }
};

}  // namespace
}  // namespace resift
