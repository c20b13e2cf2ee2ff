// Dot products of four int8 in AVX-VNNI (vpdpbusd on 256 bits). Included by a file compiled for it, after tile_dot.inl.

namespace resift {
namespace {

struct Vnni256 {
  using Reg = __m256i;
  using Sum = int32_t;
  static constexpr int kVecs = 4, kRows = 3, kProducts = 4;  // 12 sums and 1 broadcast of 16 registers

  static Reg zero() { return _mm256_setzero_si256(); }
  static Reg load(const Sum* p) { return load_i32(p); }
  static void store(Sum* p, Reg x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
  static Reg weights(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Reg broadcast(const uint8_t* p) { return _mm256_set1_epi32(*reinterpret_cast<const int32_t*>(p)); }
  // Subtle: around the intrinsic GCC 12 copies and spills the sums.
  static Reg dot(Reg sum, Reg x, Reg w) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "xm"(w));
    return sum;
  }
};

}  // namespace
}  // namespace resift
