// Dot products on tiles: of four int8 (tdpbssd) and of two bfloat16 (tdpbf16ps). Included by a file compiled for AMX
// and AVX-512 BF16, after gemm_tiles.inl and dot_avx512_bf16.inl.

namespace resift {
namespace {

// Operations of `rounds` times four products in registers.
template <class Dot>
double spin_tiles(long rounds) {
  const TileScope tiles;
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  tile_zero<4>();
  tile_zero<5>();
  tile_zero<6>();
  tile_zero<7>();
  for (long i = 0; i < rounds; ++i) {
    Dot::template product<0, 4, 6>();
    Dot::template product<1, 4, 7>();
    Dot::template product<2, 5, 6>();
    Dot::template product<3, 5, 7>();
  }
  return 2.0 * static_cast<double>(rounds) * 4 * kTileRows * 16 * Dot::kStep;
}

size_t row_bytes_tiles_int8(int k) { return sizeof(float) + static_cast<size_t>(padded(k)); }
size_t row_bytes_tiles_bf16(int k) { return 2 * static_cast<size_t>(padded(k)); }

template <class X>
void prepare_tiles_int8(const X* x, size_t ldx, int first, int rows, const Packed& w, void* out) {
  const size_t group = kGroup * row_bytes_tiles_int8(w.k);
  for (int r = first; r < first + rows; ++r, x += ldx) {
    uint8_t* to = static_cast<uint8_t*>(out) + static_cast<size_t>(r / kGroup) * group;
    const Range range(largest(x, &w, w.k));
    reinterpret_cast<float*>(to)[r % kGroup] = range.scale;
    quantise(x, &w, w.k, range.factor, 0, to + kTileLine + r % kGroup * kTileLine, kTileBytes);
  }
}

void prepare_tiles_bf16(const float* x, size_t ldx, int first, int rows, const Packed& w, void* out) {
  constexpr int kStep = kTileLine / 2;
  const size_t group = kGroup * row_bytes_tiles_bf16(w.k);
  for (int r = first; r < first + rows; ++r, x += ldx) {
    uint8_t* to = static_cast<uint8_t*>(out) + static_cast<size_t>(r / kGroup) * group + r % kGroup * kTileLine;
    for (int j = 0; j < padded(w.k); j += kStep, to += kTileBytes) {
      round_row(x + j, w.k - j, kStep, reinterpret_cast<uint16_t*>(to));
    }
  }
}

void prepare_tiles_half(const uint16_t* x, size_t ldx, int first, int rows, const Packed& w, void* out) {
  constexpr int kStep = kTileLine / 2;
  const size_t group = kGroup * row_bytes_tiles_bf16(w.k);
  for (int r = first; r < first + rows; ++r, x += ldx) {
    uint8_t* to = static_cast<uint8_t*>(out) + static_cast<size_t>(r / kGroup) * group + r % kGroup * kTileLine;
    for (int j = 0; j < padded(w.k); j += kStep, to += kTileBytes) {
      const __mmask32 lanes = w.k - j >= kStep ? ~0u : w.k <= j ? 0 : (1u << (w.k - j)) - 1;
      _mm512_storeu_si512(to, _mm512_maskz_loadu_epi16(lanes, x + j));
    }
  }
}

struct TileInt8 {
  using Sum = int32_t;
  static constexpr Precision kPrecision = Precision::int8;
  static constexpr int kRows = kPair, kDepth = 512, kStep = 64, kHeader = kTileLine, kBytes = 1, kWeightBytes = 1;
  static constexpr int kRowGroup = kGroup;
  static constexpr auto row_bytes = row_bytes_tiles_int8;
  static constexpr auto prepare = prepare_tiles_int8<float>;
  static constexpr auto prepare_half = prepare_tiles_int8<uint16_t>;
  static constexpr auto spin = spin_tiles<TileInt8>;

  template <int C, int A, int B>
  static void product() {
    tile_dot_int8<C, A, B>();
  }
  static Vec value(const Sum* sums, const Packed& w, int column, const uint8_t* row) {
    return scaled_sums(vload_i32(sums), w, column, row);
  }
};

struct TileBf16 {
  using Sum = float;
  static constexpr Precision kPrecision = Precision::bf16;
  static constexpr int kRows = kPair, kDepth = 256, kStep = 32, kHeader = 0, kBytes = 2, kWeightBytes = 2;
  static constexpr int kQueryTiles = 1;  // one leaves its scores in the first-level cache
  static constexpr int kRowGroup = kGroup;
  static constexpr auto row_bytes = row_bytes_tiles_bf16;
  static constexpr auto prepare = prepare_tiles_bf16;
  static constexpr auto prepare_half = prepare_tiles_half;
  static constexpr auto spin = spin_tiles<TileBf16>;

  template <int C, int A, int B>
  static void product() {
    tile_dot_bf16<C, A, B>();
  }
  static Vec value(const Sum* sums, const Packed& w, int column, const uint8_t*) {
    return vadd(vload(sums), vload(w.bias + column));
  }
  // For attention: plain rows. Reads and writes whole groups, whatever the number of rows.
  static void block(const uint8_t* a, size_t lda, int rows, const uint8_t* b, int k, bool first, Sum* out) {
    const uint8_t* const both[2] = {a, a + kGroup * lda};
    Nothing nothing;
    Ahead none{b, 0, 0};
    const auto work =
        rows > kGroup ? multiply_tiles<TileBf16, true, Nothing> : multiply_tiles<TileBf16, false, Nothing>;
    work(both, lda, b, k / kStep, first, out, nothing, 0, none);
  }
};

struct TileAttention {
  static size_t scratch(int length, int width) { return Bf16Attention<TileBf16>::scratch(length, width); }
  static void run(const AttentionArgs& args) {
    const TileScope tiles;
    Bf16Attention<TileBf16>::run(args);
  }
};

}  // namespace
}  // namespace resift
