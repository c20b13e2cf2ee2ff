// Sixteen floats at a time. Included by a file compiled for AVX-512.
#include <immintrin.h>
#include <stdint.h>

namespace resift {
namespace {

using Vec = __m512;
constexpr int kLanes = 16;
constexpr int kVecs = 2;     // vectors in a panel
constexpr int kRows = 14;    // rows of a register tile: 14 x 2 sums + 2 weights + 1 activation fill the 32 registers
constexpr int kDepth = 256;  // a panel block of 256 x 32 floats is 32 KB and stays in the first-level cache

inline __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }
inline Vec vset(float x) { return _mm512_set1_ps(x); }
inline Vec vload(const float* p) { return _mm512_loadu_ps(p); }
inline Vec vload_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
inline void vstore(float* p, Vec x) { _mm512_storeu_ps(p, x); }
inline void vstore_n(float* p, Vec x, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), x); }
inline Vec vadd(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec vsub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec vmul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec vdiv(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec vfma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec vmin(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec vmax(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec vround(Vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// Lanes from n on become `fill`.
inline Vec vkeep_n(Vec x, int n, Vec fill) { return _mm512_mask_mov_ps(fill, first_lanes(n), x); }
// x where not a < b, else 0.
inline Vec vwhere_not_below(Vec a, Vec b, Vec x) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ), x);
}
// 2^n for whole n in [-126, 127].
inline Vec vpow2(Vec n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
inline float vsum(Vec x) { return _mm512_reduce_add_ps(x); }
inline float vtop(Vec x) { return _mm512_reduce_max_ps(x); }
inline Vec vload_f16(const void* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
inline Vec vload_bf16(const void* p) {
  const __m256i bits = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// Floats from 2 * kLanes bfloat16: those at even and at odd places.
inline void vload_pairs(const void* p, Vec& even, Vec& odd) {
  const __m512i bits = _mm512_loadu_si512(p);
  even = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
  odd = _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}
inline Vec vload_i32(const int32_t* p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }
// a - 128 b
inline Vec vload_i32_less(const int32_t* a, const int32_t* b) {
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(a), _mm512_slli_epi32(_mm512_loadu_si512(b), 7)));
}
// The larger one of `top` and |x|, lane by lane; not-a-number counts as the largest. `top` is not negative.
inline Vec vtop_abs(Vec top, Vec x) {
  const __m512i bits = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
  return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(top), bits));
}
inline float vtop_of_abs(Vec top) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(_mm512_castps_si512(top)))));
}
// Rounded to whole numbers within [-128, 127], each byte with its bits in `flip` inverted.
inline void vstore_i8(void* p, Vec x, int flip) {
  const __m128i bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x));
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(flip))));
}

}  // namespace
}  // namespace resift
