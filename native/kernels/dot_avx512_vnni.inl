// Dot products of four int8 in AVX-512 VNNI (vpdpbusd). Included by a file compiled for it, after tile_dot.inl.

namespace resift {
namespace {

struct Vnni512 {
  using Reg = __m512i;
  using Sum = int32_t;
  static constexpr int kVecs = 2, kRows = 14, kProducts = 4;  // 28 sums, 2 weights, 1 broadcast of 32 registers

  static Reg zero() { return _mm512_setzero_si512(); }
  static Reg load(const Sum* p) { return _mm512_loadu_si512(p); }
  static void store(Sum* p, Reg x) { _mm512_storeu_si512(p, x); }
  static Reg weights(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static Reg broadcast(const uint8_t* p) { return _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(p)); }
  // Subtle: around the intrinsic GCC 12 copies and spills the sums, which costs two thirds of the speed.
  static Reg dot(Reg sum, Reg x, Reg w) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
  }
};

}  // namespace
}  // namespace resift
