// Dot products of int8 in plain loops that a compiler vectorises. Included by a kernel file, after gemm_f32.inl.

namespace resift {
namespace {

struct PlainInt8 {
  using Sum = int32_t;
  static constexpr Precision kPrecision = Precision::int8;
  static constexpr int kRows = 4, kDepth = 512, kHeader = kRowHeader, kBytes = 1, kWeightBytes = 1;
  static constexpr int kRowGroup = 1;
  static constexpr auto row_bytes = row_bytes_int8;
  static constexpr auto prepare = prepare_int8<0>;

  static void block(const uint8_t* a, size_t lda, int rows, const uint8_t* b, int k, bool first, Sum* out) {
    for (int r = 0; r < rows; ++r) row(reinterpret_cast<const int8_t*>(a + r * lda), b, k, first, out + r * kWide);
  }

  static void row(const int8_t* a, const uint8_t* b, int k, bool first, Sum* out) {
    Sum sum[kWide];
    for (int o = 0; o < kWide; ++o) sum[o] = first ? 0 : out[o];
    const int8_t* w = reinterpret_cast<const int8_t*>(b);
    for (int p = 0; p < k; p += 4, w += 4 * kWide) {
      const int16_t x[4] = {a[p], a[p + 1], a[p + 2], a[p + 3]};
      for (int o = 0; o < kWide; ++o) {
        sum[o] += x[0] * w[4 * o] + x[1] * w[4 * o + 1] + x[2] * w[4 * o + 2] + x[3] * w[4 * o + 3];
      }
    }
    for (int o = 0; o < kWide; ++o) out[o] = sum[o];
  }

  static Vec value(const Sum* sums, const Packed& w, int column, const uint8_t* row) {
    return scaled_sums(vload_i32(sums), w, column, row);
  }

  static double spin(long rounds) {
    constexpr int kValues = 256;
    alignas(64) int8_t a[kValues] = {};
    alignas(64) uint8_t b[kValues * kWide] = {};
    Sum out[kWide];
    for (long i = 0; i < rounds; ++i) {
      row(a, b, kValues, true, out);
      __asm__ volatile("" : : "r"(out), "r"(a), "r"(b) : "memory");
    }
    return 2.0 * static_cast<double>(rounds) * kWide * kValues;
  }
};

}  // namespace
}  // namespace resift
