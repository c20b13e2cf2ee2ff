// Four floats at a time in the vector types of GCC and Clang: SSE2 on any x86-64, NEON on ARM, plain code elsewhere.
// Included once by a kernel file.
#include <stdint.h>
#include <string.h>

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace resift {
namespace {

typedef float Vec __attribute__((vector_size(16)));
typedef int32_t IntVec __attribute__((vector_size(16)));
constexpr int kLanes = 4;
constexpr int kVecs = 2;  // vectors in a panel
#if defined(__aarch64__)
constexpr int kRows = 12;  // 32 registers
#else
constexpr int kRows = 6;  // 16 registers
#endif
constexpr int kDepth = 256;

inline Vec vset(float x) { return Vec{x, x, x, x}; }
inline Vec vload(const float* p) {
  Vec x;
  memcpy(&x, p, sizeof x);
  return x;
}
inline Vec vload_n(const float* p, int n) {
  Vec x = vset(0.0f);
  for (int i = 0; i < kLanes; ++i) {
    if (i < n) x[i] = p[i];
  }
  return x;
}
inline void vstore(float* p, Vec x) { memcpy(p, &x, sizeof x); }
inline void vstore_n(float* p, Vec x, int n) {
  for (int i = 0; i < kLanes; ++i) {
    if (i < n) p[i] = x[i];
  }
}
inline Vec vadd(Vec a, Vec b) { return a + b; }
inline Vec vsub(Vec a, Vec b) { return a - b; }
inline Vec vmul(Vec a, Vec b) { return a * b; }
inline Vec vdiv(Vec a, Vec b) { return a / b; }
inline Vec vfma(Vec a, Vec b, Vec c) {
#if defined(__aarch64__)
  return reinterpret_cast<Vec>(
      vfmaq_f32(reinterpret_cast<float32x4_t>(c), reinterpret_cast<float32x4_t>(a), reinterpret_cast<float32x4_t>(b)));
#else
  return a * b + c;  // two roundings: the file is compiled without contraction
#endif
}
inline Vec select(IntVec mask, Vec x, Vec y) {
  return reinterpret_cast<Vec>((mask & reinterpret_cast<IntVec>(x)) | (~mask & reinterpret_cast<IntVec>(y)));
}
inline Vec vmin(Vec a, Vec b) { return select(a < b, a, b); }
inline Vec vmax(Vec a, Vec b) { return select(a > b, a, b); }
inline Vec vround(Vec x) {              // |x| < 2^22
  const Vec magic = vset(12582912.0f);  // 1.5 * 2^23: adding it leaves no room for fractions
  return (x + magic) - magic;
}
// Lanes from n on become `fill`.
inline Vec vkeep_n(Vec x, int n, Vec fill) { return select(IntVec{0, 1, 2, 3} < IntVec{n, n, n, n}, x, fill); }
// x where not a < b, else 0.
inline Vec vwhere_not_below(Vec a, Vec b, Vec x) { return select(a < b, vset(0.0f), x); }
// 2^n for whole n in [-126, 127].
inline Vec vpow2(Vec n) {
  return reinterpret_cast<Vec>((__builtin_convertvector(n, IntVec) + IntVec{127, 127, 127, 127}) << 23);
}
inline float vsum(Vec x) { return (x[0] + x[2]) + (x[1] + x[3]); }
inline float vtop(Vec x) {
  const float a = x[0] > x[2] ? x[0] : x[2], b = x[1] > x[3] ? x[1] : x[3];
  return a > b ? a : b;
}
inline float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
inline float f16_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16, rest = h & 0x7fffu;
  if (rest >= 0x7c00u) return from_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13);  // infinity, not a number
  // Exponent and mantissa moved to their places are the value times 2^-112, subnormal numbers included.
  return from_bits(sign | rest << 13) * 5.192296858534828e33f;
}
inline Vec vload_f16(const void* p) {
  uint16_t h[kLanes];
  memcpy(h, p, sizeof h);
  return Vec{f16_to_float(h[0]), f16_to_float(h[1]), f16_to_float(h[2]), f16_to_float(h[3])};
}
inline Vec vload_bf16(const void* p) {
  uint16_t h[kLanes];
  memcpy(h, p, sizeof h);
  return reinterpret_cast<Vec>(IntVec{h[0], h[1], h[2], h[3]} << 16);
}

// Floats from 2 * kLanes bfloat16: those at even and at odd places.
inline void vload_pairs(const void* p, Vec& even, Vec& odd) {
  uint16_t h[2 * kLanes];
  memcpy(h, p, sizeof h);
  even = reinterpret_cast<Vec>(IntVec{h[0], h[2], h[4], h[6]} << 16);
  odd = reinterpret_cast<Vec>(IntVec{h[1], h[3], h[5], h[7]} << 16);
}
inline Vec vload_i32(const int32_t* p) {
  IntVec x;
  memcpy(&x, p, sizeof x);
  return __builtin_convertvector(x, Vec);
}
// The larger one of `top` and |x|, lane by lane; not-a-number counts as the largest. `top` is not negative.
inline Vec vtop_abs(Vec top, Vec x) {
  const IntVec mask{0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff};
  const IntVec bits = reinterpret_cast<IntVec>(x) & mask, best = reinterpret_cast<IntVec>(top);
  return select(best > bits, top, reinterpret_cast<Vec>(bits));
}
inline float vtop_of_abs(Vec top) {
  const IntVec bits = reinterpret_cast<IntVec>(top);
  int32_t best = 0;
  for (int i = 0; i < kLanes; ++i) best = bits[i] > best ? bits[i] : best;
  return from_bits(static_cast<uint32_t>(best));
}
// Rounded to whole numbers within [-128, 127], each byte with its bits in `flip` inverted.
inline void vstore_i8(void* p, Vec x, int flip) {
#if defined(__aarch64__)
  const int16x4_t narrow = vqmovn_s32(vcvtnq_s32_f32(reinterpret_cast<float32x4_t>(x)));
  const uint8x8_t flips = vdup_n_u8(static_cast<uint8_t>(flip));
  const uint8x8_t all = veor_u8(vreinterpret_u8_s8(vqmovn_s16(vcombine_s16(narrow, narrow))), flips);
  const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(all), 0);
  memcpy(p, &four, sizeof four);
#else
  const Vec whole = vround(vmax(vset(-128.0f), vmin(vset(127.0f), x)));
  unsigned char bytes[kLanes];
  for (int i = 0; i < kLanes; ++i) bytes[i] = static_cast<unsigned char>(static_cast<int>(whole[i]) ^ flip);
  memcpy(p, bytes, sizeof bytes);
#endif
}

}  // namespace
}  // namespace resift
