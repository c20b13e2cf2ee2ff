// Dot products of four int8 in NEON (sdot, by lane). Included by a file compiled for Armv8.2 with dotprod, after
// gemm_f32.inl.

#include <arm_neon.h>

namespace resift {
namespace {

struct NeonInt8 {
  using Sum = int32_t;
  static constexpr Precision kPrecision = Precision::int8;
  static constexpr int kRows = 6, kDepth = 1024, kHeader = kRowHeader, kBytes = 1, kWeightBytes = 1;
  static constexpr int kVecs = 4, kColumns = 4 * kVecs;  // of a register tile: 6 x 4 sums, 6 rows' values, 2 weights
  static constexpr int kRowGroup = 1;
  static constexpr auto row_bytes = row_bytes_int8;
  static constexpr auto prepare = prepare_int8<0>;

  // Four values of every row, those in a lane of `x`, with as many weights of each output.
  template <int R, int kLane>
  static void step(int32x4_t (&sum)[R][kVecs], const int8x16_t (&x)[R], const int8_t* b) {
    RESIFT_UNROLL
    for (int v = 0; v < kVecs; ++v) {
      const int8x16_t w = vld1q_s8(b + kLane * 4 * kWide + v * 16);
      RESIFT_UNROLL
      for (int r = 0; r < R; ++r) sum[r][v] = vdotq_laneq_s32(sum[r][v], w, x[r], kLane);
    }
  }

  // `groups` of 16 values.
  template <int R>
  static void tile(const uint8_t* a, size_t lda, const uint8_t* weights, int groups, bool first, Sum* out) {
    int32x4_t sum[R][kVecs];
    RESIFT_UNROLL
    for (int r = 0; r < R; ++r) {
      RESIFT_UNROLL
      for (int v = 0; v < kVecs; ++v) sum[r][v] = first ? vdupq_n_s32(0) : vld1q_s32(out + r * kWide + 4 * v);
    }
    const int8_t* b = reinterpret_cast<const int8_t*>(weights);
    const int8_t* row = reinterpret_cast<const int8_t*>(a);
    for (int i = 0; i < groups; ++i, b += 16 * kWide, row += 16) {
      int8x16_t x[R];
      RESIFT_UNROLL
      for (int r = 0; r < R; ++r) x[r] = vld1q_s8(row + r * lda);
      step<R, 0>(sum, x, b);
      step<R, 1>(sum, x, b);
      step<R, 2>(sum, x, b);
      step<R, 3>(sum, x, b);
    }
    RESIFT_UNROLL
    for (int r = 0; r < R; ++r) {
      RESIFT_UNROLL
      for (int v = 0; v < kVecs; ++v) vst1q_s32(out + r * kWide + 4 * v, sum[r][v]);
    }
  }

  using Fn = void (*)(const uint8_t*, size_t, const uint8_t*, int, bool, Sum*);

  static void block(const uint8_t* a, size_t lda, int rows, const uint8_t* b, int k, bool first, Sum* out) {
    static const Fn of[kRows] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};
    for (int j = 0; j < kWide; j += kColumns) of[rows - 1](a, lda, b + 4 * j, k / 16, first, out + j);
  }

  static Vec value(const Sum* sums, const Packed& w, int column, const uint8_t* row) {
    return scaled_sums(vload_i32(sums), w, column, row);
  }

  // From the first-level cache: that costs the loads of the product itself, no more.
  static double spin(long rounds) {
    constexpr int kGroups = 16;
    alignas(64) uint8_t a[16 * kGroups] = {}, b[16 * kWide * kGroups] = {};
    alignas(64) Sum out[kRows * kWide];
    for (long i = 0; i < rounds; ++i) {
      tile<kRows>(a, 0, b, kGroups, true, out);
      __asm__ volatile("" : : "r"(out), "r"(a), "r"(b) : "memory");
    }
    return 2.0 * static_cast<double>(rounds) * kRows * kColumns * 16 * kGroups;
  }
};

}  // namespace
}  // namespace resift
