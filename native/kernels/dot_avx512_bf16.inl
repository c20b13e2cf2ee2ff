// Rows rounded to bfloat16 and dot products of two (vdpbf16ps) in AVX-512 BF16. Included by a file compiled for it,
// after tile_dot.inl.

namespace resift {
namespace {

size_t row_bytes_bf16(int k) { return row_stride(2 * static_cast<size_t>(padded(k))); }

// 16 floats, those from n on taken as 0, to the bits of bfloat16.
inline __m256i rounded_bf16(const float* x, int n) { return (__m256i)_mm512_cvtneps_pbh(vload_n(x, n)); }

inline void vstore_bf16_n(uint16_t* p, Vec x, int n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), (__m256i)_mm512_cvtneps_pbh(x));
}

// k floats, filled up with zeros to `width`, a multiple of 16.
inline void round_row(const float* x, int k, int width, uint16_t* out) {
  for (int j = 0; j < width; j += kLanes) {
    const int n = k - j < kLanes ? k - j : kLanes;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + j), n > 0 ? rounded_bf16(x + j, n) : _mm256_setzero_si256());
  }
}

void prepare_bf16(const float* x, size_t ldx, int first, int rows, const Packed& w, void* out) {
  uint8_t* to = static_cast<uint8_t*>(out) + first * row_bytes_bf16(w.k);
  for (int r = 0; r < rows; ++r, x += ldx, to += row_bytes_bf16(w.k)) {
    round_row(x, w.k, padded(w.k), reinterpret_cast<uint16_t*>(to));
  }
}

struct Bf16Ops {
  using Reg = __m512;
  using Sum = float;
  static constexpr int kVecs = 2, kRows = 14, kProducts = 2;

  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg load(const Sum* p) { return _mm512_loadu_ps(p); }
  static void store(Sum* p, Reg x) { _mm512_storeu_ps(p, x); }
  static Reg weights(const uint8_t* p) { return _mm512_loadu_ps(p); }
  static Reg broadcast(const uint8_t* p) { return _mm512_set1_ps(*reinterpret_cast<const float*>(p)); }
  static Reg dot(Reg sum, Reg x, Reg w) { return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)w); }
};

struct Bf16Dot {
  using Sum = float;
  static constexpr Precision kPrecision = Precision::bf16;
  static constexpr int kRowGroup = 1;
  static constexpr auto row_bytes = row_bytes_bf16;
  static constexpr auto prepare = prepare_bf16;
  static constexpr auto spin = DotTile<Bf16Ops>::spin;

  static constexpr int kRows = Bf16Ops::kRows, kDepth = 512, kHeader = 0, kBytes = 2, kWeightBytes = 2;
  static constexpr int kQueryTiles = 4;

  static void block(const uint8_t* a, size_t lda, int rows, const uint8_t* b, int k, bool first, Sum* out) {
    DotTile<Bf16Ops>::block(a, lda, rows, b, k / 2, first, out);
  }
  static Vec value(const Sum* sums, const Packed& w, int column, const uint8_t*) {
    return vadd(vload(sums), vload(w.bias + column));
  }
};

}  // namespace
}  // namespace resift
