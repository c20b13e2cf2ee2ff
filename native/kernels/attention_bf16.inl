// Softmax attention of one head with products of bfloat16 and everything else in float32. Included by a kernel file
// for AVX-512 BF16, after gemm_f32.inl and its `Dot` of bfloat16.
//
// As attention_f32.inl: keys and values are packed into panels like weights, scores exist for a block of queries only.

namespace resift {
namespace {

inline int wide_panels(int n) { return (n + kWide - 1) / kWide; }
inline int even_groups(int n) { return (n + 31) / 32 * 32; }  // columns of a bfloat16 row: whole 64-byte lines

// Blocks of queries: whole register tiles, fewer where the scores of long sequences would leave the caches.
template <class Dot>
constexpr int query_rows(int length) {
  return Dot::kRows * (length > 2048 ? (Dot::kQueryTiles + 1) / 2 : Dot::kQueryTiles);
}

struct Bf16Layout {
  Bf16Layout(int length, int width, int rows)
      : keys(2 * static_cast<size_t>(wide_panels(length)) * kWide * even_groups(width)),
        values(2 * static_cast<size_t>(wide_panels(width)) * kWide * even_groups(length)),
        query_stride(row_stride(2 * static_cast<size_t>(even_groups(width)))),
        weight_stride(row_stride(2 * static_cast<size_t>(even_groups(length)))),
        queries(query_stride * rows),
        weights(weight_stride * rows),
        scores(sizeof(float) * static_cast<size_t>(wide_panels(length)) * rows * kWide),
        sums(sizeof(float) * static_cast<size_t>(rows) * kWide) {}
  size_t keys, values, query_stride, weight_stride, queries, weights, scores, sums;  // bytes
};

// 16 x 16 words of 32 bits, rows to columns.
inline void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  RESIFT_UNROLL
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  RESIFT_UNROLL
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  RESIFT_UNROLL
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  RESIFT_UNROLL
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// Keys as weights [length, width]: pairs of columns, 32 keys to a line.
void pack_keys_bf16(const AttentionArgs& g, uint32_t* out) {
  const int width = even_groups(g.width);
  for (int key = 0; key < g.length; key += kWide, out += static_cast<size_t>(kWide) * width / 2) {
    for (int half = 0; half < kWide; half += 16) {
      for (int d = 0; d < width; d += 32) {
        __m512i r[16];
        for (int i = 0; i < 16; ++i) {
          const int row = key + half + i;
          alignas(64) uint16_t line[32];
          round_row(g.k + row * g.ldkv + d, row < g.length ? g.width - d : 0, 32, line);
          r[i] = _mm512_load_si512(line);
        }
        transpose(r);
        for (int i = 0; i < 16; ++i) _mm512_storeu_si512(out + static_cast<size_t>(d / 2 + i) * kWide + half, r[i]);
      }
    }
  }
}

// Values as weights [width, length]: pairs of tokens, 32 columns to a line.
void pack_values_bf16(const AttentionArgs& g, uint32_t* out) {
  const int length = even_groups(g.length);
  for (int column = 0; column < g.width; column += kWide) {
    for (int t = 0; t < length; t += 2, out += kWide) {
      for (int j = 0; j < kWide; j += 16) {
        const int n = smaller(16, g.width - column - j);
        const auto rounded = [&](int token) {
          if (token >= g.length || n <= 0) return _mm512_setzero_si512();
          return _mm512_cvtepu16_epi32(rounded_bf16(g.v + token * g.ldkv + column + j, n));
        };
        const __m512i pair = _mm512_or_si512(rounded(t), _mm512_slli_epi32(rounded(t + 1), 16));
        _mm512_storeu_si512(out + j, pair);
      }
    }
  }
}

// 2^x for x <= 0, relative error below 5e-6: more than bfloat16 shows. Cody & Waite's reduction; the polynomial is
// fitted as the functions of math.inl.
inline Vec exp2_quick(Vec x) {
  x = vmax(vset(-126.0f), x);
  const Vec n = vround(x), r = vsub(x, n);
  Vec p = vset(9.570100575e-03f);
  p = vfma(p, r, vset(5.591786021e-02f));
  p = vfma(p, r, vset(2.402474486e-01f));
  p = vfma(p, r, vset(6.931218148e-01f));
  p = vfma(p, r, vset(9.999992614e-01f));
  return _mm512_scalef_ps(p, n);
}

// exp((s - max) * scale) of one row of scores, rounded to bfloat16; returns the inverse of their sum before rounding.
inline float softmax_bf16(const float* scores, size_t panel_stride, int length, float scale, uint16_t* out) {
  constexpr float kLog2E = 1.44269504f;
  const auto at = [=](int j) { return scores + static_cast<size_t>(j / kWide) * panel_stride + j % kWide; };
  const int whole = length / kWide * kWide;
  Vec top = vset(-__builtin_inff()), other = top;
  for (int j = 0; j < whole; j += kWide) {
    const float* s = at(j);
    top = vmax(top, vload(s));
    other = vmax(other, vload(s + kLanes));
  }
  top = vmax(top, other);
  for (int j = whole; j < length; j += kLanes) {
    top = vmax(top, vkeep_n(vload(at(j)), smaller(kLanes, length - j), top));
  }
  const Vec factor = vset(scale * kLog2E), most = vset(vtop(top) * scale * kLog2E);
  const auto weight = [&](const float* s) { return exp2_quick(_mm512_fmsub_ps(vload(s), factor, most)); };
  Vec sum = vset(0.0f), more = sum;
  for (int j = 0; j < whole; j += kWide) {
    const float* s = at(j);
    const Vec a = weight(s), b = weight(s + kLanes);
    sum = vadd(sum, a);
    more = vadd(more, b);
    _mm512_storeu_si512(out + j, (__m512i)_mm512_cvtne2ps_pbh(b, a));
  }
  for (int j = whole; j < even_groups(length); j += kLanes) {
    const int n = smaller(kLanes, length - j);
    const Vec e = n > 0 ? vkeep_n(weight(at(j)), n, vset(0.0f)) : vset(0.0f);
    sum = vadd(sum, e);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + j), (__m256i)_mm512_cvtneps_pbh(e));
  }
  return 1.0f / vsum(vadd(sum, more));
}

template <class Dot>
struct Bf16Attention {
  static size_t scratch(int length, int width) {
    const Bf16Layout s(length, width, query_rows<Dot>(length));
    return s.keys + s.values + s.queries + s.weights + s.scores + s.sums;
  }

  static void run(const AttentionArgs& g) {
    const int step = query_rows<Dot>(g.length);
    const Bf16Layout layout(g.length, g.width, step);
    uint8_t* keys = static_cast<uint8_t*>(g.scratch);
    uint8_t* values = keys + layout.keys;
    uint8_t* queries = values + layout.values;
    uint8_t* weights = queries + layout.queries;
    float* scores = reinterpret_cast<float*>(weights + layout.weights);
    float* sums = scores + layout.scores / sizeof(float);
    pack_keys_bf16(g, reinterpret_cast<uint32_t*>(keys));
    pack_values_bf16(g, reinterpret_cast<uint32_t*>(values));
    const int width = even_groups(g.width), length = even_groups(g.length);
    const size_t panel_stride = static_cast<size_t>(step) * kWide;
    const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(g.width));
    for (int from = 0; from < g.queries; from += step) {
      const int rows = smaller(step, g.queries - from);
      for (int r = 0; r < rows; ++r) {
        round_row(g.q + (from + r) * g.ldq, g.width, width,
                  reinterpret_cast<uint16_t*>(queries + r * layout.query_stride));
      }
      for (int panel = 0; panel < wide_panels(g.length); ++panel) {
        const uint8_t* b = keys + static_cast<size_t>(panel) * kWide * width * 2;
        product(queries, layout.query_stride, rows, b, width, scores + panel * panel_stride);
      }
      float inverse[Dot::kQueryTiles * Dot::kRows];
      for (int r = 0; r < rows; ++r) {
        inverse[r] = softmax_bf16(scores + r * kWide, panel_stride, g.length, scale,
                                  reinterpret_cast<uint16_t*>(weights + r * layout.weight_stride));
      }
      for (int panel = 0; panel < wide_panels(g.width); ++panel) {
        const uint8_t* b = values + static_cast<size_t>(panel) * kWide * length * 2;
        product(weights, layout.weight_stride, rows, b, length, sums);
        store(g, sums, inverse, from, rows, panel * kWide);
      }
    }
  }

 private:
  static void product(const uint8_t* a, size_t lda, int rows, const uint8_t* b, int k, float* out) {
    const int tiles = (rows + Dot::kRows - 1) / Dot::kRows;
    for (int t = 0; t < tiles; ++t) {
      const int r = rows * t / tiles, count = rows * (t + 1) / tiles - r;
      Dot::block(a + r * lda, lda, count, b, k, true, out + r * kWide);
    }
  }

  static void store(const AttentionArgs& g, const float* sums, const float* inverse, int from, int rows, int column) {
    for (int r = 0; r < rows; ++r) {
      float* out = g.out + (from + r) * g.ldo + column;
      const int columns = smaller(kWide, g.width - column);
      for (int j = 0; j < columns; j += kLanes) {
        vstore_n(out + j, vmul(vload(sums + r * kWide + j), vset(inverse[r])), smaller(kLanes, columns - j));
      }
    }
  }
};

}  // namespace
}  // namespace resift
