// Eight floats at a time. Included by a file compiled for AVX2, FMA and F16C.
#include <immintrin.h>
#include <stdint.h>

namespace resift {
namespace {

using Vec = __m256;
constexpr int kLanes = 8;
constexpr int kVecs = 2;     // vectors in a panel
constexpr int kRows = 6;     // rows of a register tile: 6 x 2 sums + 2 weights + 1 activation of the 16 registers
constexpr int kDepth = 256;  // a panel block of 256 x 16 floats is 16 KB: half of the first-level cache

inline __m256i first_lanes(int n) {
  alignas(32) static const int32_t kTable[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kTable + 8 - n));
}
inline Vec vset(float x) { return _mm256_set1_ps(x); }
inline Vec vload(const float* p) { return _mm256_loadu_ps(p); }
inline Vec vload_n(const float* p, int n) { return _mm256_maskload_ps(p, first_lanes(n)); }
inline void vstore(float* p, Vec x) { _mm256_storeu_ps(p, x); }
inline void vstore_n(float* p, Vec x, int n) { _mm256_maskstore_ps(p, first_lanes(n), x); }
inline Vec vadd(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec vsub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec vmul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec vdiv(Vec a, Vec b) { return _mm256_div_ps(a, b); }
inline Vec vfma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec vmin(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec vmax(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec vround(Vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// Lanes from n on become `fill`.
inline Vec vkeep_n(Vec x, int n, Vec fill) { return _mm256_blendv_ps(fill, x, _mm256_castsi256_ps(first_lanes(n))); }
// x where not a < b, else 0.
inline Vec vwhere_not_below(Vec a, Vec b, Vec x) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ), x); }
// 2^n for whole n in [-126, 127].
inline Vec vpow2(Vec n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
inline float vsum(Vec x) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline float vtop(Vec x) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
inline Vec vload_f16(const void* p) { return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p))); }
inline Vec vload_bf16(const void* p) {
  const __m128i bits = _mm_loadu_si128(static_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

// Floats from 2 * kLanes bfloat16: those at even and at odd places.
inline void vload_pairs(const void* p, Vec& even, Vec& odd) {
  const __m256i bits = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  even = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
  odd = _mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}
inline __m256i load_i32(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline Vec vload_i32(const int32_t* p) { return _mm256_cvtepi32_ps(load_i32(p)); }
// a - 128 b
inline Vec vload_i32_less(const int32_t* a, const int32_t* b) {
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(load_i32(a), _mm256_slli_epi32(load_i32(b), 7)));
}
// The larger one of `top` and |x|, lane by lane; not-a-number counts as the largest. `top` is not negative.
inline Vec vtop_abs(Vec top, Vec x) {
  const __m256i bits = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
  return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(top), bits));
}
inline float vtop_of_abs(Vec top) {
  const __m256i all = _mm256_castps_si256(top);
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return _mm_cvtss_f32(_mm_castsi128_ps(m));
}
inline __m128i rounded_i16(Vec x) {
  const __m256i whole = _mm256_cvtps_epi32(x);
  return _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
}
// Rounded to whole numbers within [-128, 127], each byte with its bits in `flip` inverted.
inline void vstore_i8(void* p, Vec x, int flip) {
  const __m128i words = rounded_i16(x);
  const __m128i bytes = _mm_xor_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(static_cast<char>(flip)));
  _mm_storel_epi64(static_cast<__m128i*>(p), bytes);
}
inline void vstore_i16(void* p, Vec x) { _mm_storeu_si128(static_cast<__m128i*>(p), rounded_i16(x)); }

}  // namespace
}  // namespace resift
