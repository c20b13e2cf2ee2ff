// Dot products of int8 in plain AVX2, exact: vpmaddwd on 16-bit values. Included by a file compiled for AVX2.
//
// vpmaddubsw would take bytes as they are, but its 16-bit sums saturate. Rows are prepared as int16, weights widened
// while they are loaded.

namespace resift {
namespace {

size_t row_bytes_words(int k) { return row_stride(static_cast<size_t>(kRowHeader + 2 * padded(k))); }

void prepare_words(const float* x, size_t ldx, int first, int rows, const Packed& w, void* out) {
  uint8_t* to = static_cast<uint8_t*>(out) + first * row_bytes_words(w.k);
  for (int r = 0; r < rows; ++r, x += ldx, to += row_bytes_words(w.k)) {
    const Range range(largest(x, &w, w.k));
    *reinterpret_cast<float*>(to) = range.scale;
    const Vec factor = vset(range.factor);
    for (int j = 0; j < padded(w.k); j += kLanes) {
      const int n = w.k - j < kLanes ? w.k - j : kLanes;
      vstore_i16(to + kRowHeader + 2 * j, n > 0 ? scaled(x, &w, j, n, factor) : vset(0.0f));
    }
  }
}

struct WordsInt8 {
  using Sum = int32_t;
  static constexpr int kRows = 5, kDepth = 512, kHeader = kRowHeader, kBytes = 2, kWeightBytes = 1;
  static constexpr int kColumns = 8;  // outputs of a register tile
  static constexpr Precision kPrecision = Precision::int8;
  static constexpr int kRowGroup = 1;
  static constexpr auto row_bytes = row_bytes_words;
  static constexpr auto prepare = prepare_words;

  // Four outputs with four weights each, as int16.
  static __m256i widened(const uint8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }

  // Subtle: left to itself, GCC 12 moves the loads together and spills half of the sums.
  static void add_products(__m256i& sum, __m256i x, __m256i w) {
    __m256i products;
    __asm__("vpmaddwd %2, %3, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(products) : "x"(w), "x"(x));
  }

  // Every lane of a register holds half of an output's sum.
  template <int R>
  static void tile(const uint8_t* a, size_t lda, const uint8_t* b, int steps, bool first, Sum* out) {
    __m256i low[R], high[R];
    RESIFT_UNROLL
    for (int r = 0; r < R; ++r) low[r] = high[r] = _mm256_setzero_si256();
    const uint8_t* upper = a + 3 * lda;
    for (int step = 0; step < steps; ++step, b += 4 * kWide, a += 8, upper += 8) {
      const __m256i w0 = widened(b), w1 = widened(b + 16);
      RESIFT_UNROLL
      for (int r = 0; r < R; ++r) {
        const uint8_t* p = r < 3 ? a + r * lda : upper + (r - 3) * lda;
        const __m256i x = _mm256_set1_epi64x(*reinterpret_cast<const long long*>(p));
        add_products(low[r], x, w0);
        add_products(high[r], x, w1);
      }
    }
    RESIFT_UNROLL
    for (int r = 0; r < R; ++r) {
      __m256i* to = reinterpret_cast<__m256i*>(out + r * kWide);
      const __m256i sum = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low[r], high[r]), 0xd8);
      _mm256_storeu_si256(to, first ? sum : _mm256_add_epi32(sum, _mm256_loadu_si256(to)));
    }
  }

  using Fn = void (*)(const uint8_t*, size_t, const uint8_t*, int, bool, Sum*);

  static void block(const uint8_t* a, size_t lda, int rows, const uint8_t* b, int k, bool first, Sum* out) {
    static const Fn of[kRows] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>};
    for (int j = 0; j < kWide; j += kColumns) of[rows - 1](a, lda, b + 4 * j, k / 4, first, out + j);
  }

  static Vec value(const Sum* sums, const Packed& w, int column, const uint8_t* row) {
    return scaled_sums(vload_i32(sums), w, column, row);
  }

  // From the first-level cache: widening the weights is a part of the product.
  static double spin(long rounds) {
    constexpr int kSteps = 64;
    alignas(64) uint8_t a[8 * kSteps * kRows] = {}, b[4 * kWide * kSteps] = {};
    alignas(64) Sum out[kRows * kWide];
    for (long i = 0; i < rounds; ++i) {
      tile<kRows>(a, 8 * kSteps, b, kSteps, true, out);
      __asm__ volatile("" : : "r"(out), "r"(a), "r"(b) : "memory");
    }
    return 2.0 * static_cast<double>(rounds) * kRows * kColumns * 4 * kSteps;
  }
};

}  // namespace
}  // namespace resift
