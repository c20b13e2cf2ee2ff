// Matrix product in float32 with a register-blocked tile, of weights in float32 or bfloat16. Included by a kernel file,
// after panels.inl.
//
// bfloat16 weights are widened, a panel block at a time, and multiplied as float32: half the memory on any CPU.
//
// Weights lie in panels of kPanel outputs, [k][kPanel]; rows of `a` are copied, kDepth columns at a time, to a buffer
// with the fixed stride kStride. So the tile's addresses are constants, a panel block stays in the first-level cache
// while all rows pass, and the block of rows stays in the second-level cache while all panels pass.
//
// Exactness: every output is one chain of fused multiply-adds over k from 0 upwards, whatever the tile's height. Sums
// that wait in `c` between two blocks of k are stored and loaded as they are.

namespace resift {
namespace {

constexpr int kPanel = kVecs * kLanes;
constexpr int kStride = kDepth + 16;  // an odd number of cache lines, so the rows of a tile fall into different sets
constexpr int kBlockRows = 256;
constexpr int kBlockPanels = 1024 / kPanel;
static_assert(kDepth % kPanel == 0, "attention cuts its score buffer at panel borders");

inline int smaller(int a, int b) { return a < b ? a : b; }
inline int lanes_of(int columns, int vec) { return smaller(kLanes, columns - vec * kLanes); }

// The sums stay in registers only when every loop over them is unrolled.
#if defined(__clang__)
#define RESIFT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define RESIFT_UNROLL _Pragma("GCC unroll 16")
#endif

// c[R, columns] (+)= a[R, depth] * b[depth, kPanel]
template <int R>
void tile(const float* a, const float* b, int depth, bool first, float* c, size_t ldc, int columns) {
  Vec sum[R][kVecs];
  const bool whole = columns == kPanel;
  RESIFT_UNROLL
  for (int r = 0; r < R; ++r) {
    RESIFT_UNROLL
    for (int v = 0; v < kVecs; ++v) {
      const float* from = c + r * ldc + v * kLanes;
      sum[r][v] = vset(0.0f);
      if (first) continue;
      if (whole) {
        sum[r][v] = vload(from);
      } else if (lanes_of(columns, v) > 0) {
        sum[r][v] = vload_n(from, lanes_of(columns, v));
      }
    }
  }
  for (int p = 0; p < depth; ++p) {
    Vec weight[kVecs];
    RESIFT_UNROLL
    for (int v = 0; v < kVecs; ++v) weight[v] = vload(b + p * kPanel + v * kLanes);
    RESIFT_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec x = vset(a[r * kStride + p]);
      RESIFT_UNROLL
      for (int v = 0; v < kVecs; ++v) sum[r][v] = vfma(x, weight[v], sum[r][v]);
    }
  }
  RESIFT_UNROLL
  for (int r = 0; r < R; ++r) {
    RESIFT_UNROLL
    for (int v = 0; v < kVecs; ++v) {
      float* to = c + r * ldc + v * kLanes;
      if (whole) {
        vstore(to, sum[r][v]);
      } else if (lanes_of(columns, v) > 0) {
        vstore_n(to, sum[r][v], lanes_of(columns, v));
      }
    }
  }
}

using TileFn = void (*)(const float*, const float*, int, bool, float*, size_t, int);

template <int R>
struct Tiles {
  static TileFn of(int rows) { return rows == R ? &tile<R> : Tiles<R - 1>::of(rows); }
};
template <>
struct Tiles<0> {
  static TileFn of(int) { return nullptr; }
};

inline void fetch(const float* from, int count) {
  for (int i = 0; i < count; i += 16) __builtin_prefetch(from + i);
}

// One block of k for all rows and one panel. The rows are cut into tiles of nearly equal height: 15 rows are 8 + 7.
// Weights that do not fit the caches come from memory in time only when each tile asks for a part of the `next` block;
// a single tile is over too soon for that to help.
void multiply_block(const float* a, int rows, const float* b, const float* next, int depth, bool first, float* c,
                    size_t ldc, int columns) {
  const int tiles = (rows + kRows - 1) / kRows;
  const int low = rows / tiles, high = rows % tiles;  // `high` tiles have one row more
  const TileFn small = Tiles<kRows>::of(low), large = high > 0 ? Tiles<kRows>::of(low + 1) : small;
  const int share = depth * kPanel / tiles;
  for (int t = 0, row = 0; t < tiles; ++t) {
    if (next != nullptr && tiles > 1) fetch(next + t * share, share);
    (t < high ? large : small)(a + row * kStride, b, depth, first, c + row * ldc, ldc, columns);
    row += t < high ? low + 1 : low;
  }
}

template <Vec (*F)(Vec)>
void finish_with(const GemmArgs& g, float* c, const float* bias, const float* residual, int rows, int columns) {
  for (int r = 0; r < rows; ++r) {
    for (int j = 0; j < columns; j += kLanes) {
      const int n = smaller(kLanes, columns - j);
      Vec x = F(vadd(vload_n(c + r * g.ldc + j, n), vload_n(bias + j, n)));
      if (residual != nullptr) x = vadd(x, vload_n(residual + r * g.ldr + j, n));
      vstore_n(c + r * g.ldc + j, x, n);
    }
  }
}

inline Vec identity(Vec x) { return x; }

// Bias, activation and residual, while the sums are still in the first-level cache.
void finish(const GemmArgs& g, int row, int column, int rows, int columns) {
  float* c = g.c + row * g.ldc + column;
  const float* bias = g.w->bias + column;
  const float* residual = g.residual == nullptr ? nullptr : g.residual + row * g.ldr + column;
  switch (g.activation) {
    case Activation::none: return finish_with<identity>(g, c, bias, residual, rows, columns);
    case Activation::gelu: return finish_with<vgelu>(g, c, bias, residual, rows, columns);
    case Activation::gelu_tanh: return finish_with<vgelu_tanh>(g, c, bias, residual, rows, columns);
    case Activation::relu: return finish_with<vrelu>(g, c, bias, residual, rows, columns);
    case Activation::tanh: return finish_with<vtanh>(g, c, bias, residual, rows, columns);
  }
}

// Weights as they lie in float32 panels, and as they are widened from bfloat16 ones.
struct FloatWeights {
  static const void* at(const Packed& w, int panel, int from) {
    return static_cast<const float*>(w.panels) + (static_cast<size_t>(panel) * w.k + from) * kPanel;
  }
  static const float* block(const Packed& w, int panel, int from, int, float*) {
    return static_cast<const float*>(at(w, panel, from));
  }
  static constexpr int kPanelsEach = 1;
};

struct Bf16Weights {
  static const void* at(const Packed& w, int panel, int from) {
    const size_t whole = static_cast<size_t>(panel / kPanelsEach) * padded(w.k) + from;
    return static_cast<const uint16_t*>(w.panels) + whole * kWide + panel % kPanelsEach * (2 * kPanel);
  }
  static const float* block(const Packed& w, int panel, int from, int depth, float* room) {
    const uint16_t* source = static_cast<const uint16_t*>(at(w, panel, from));
    for (int p = 0; p < depth; p += 2, source += 2 * kWide) {
      for (int v = 0; v < kVecs; ++v) {
        Vec even, odd;
        vload_pairs(source + 2 * kLanes * v, even, odd);
        vstore(room + p * kPanel + v * kLanes, even);
        vstore(room + (p + 1) * kPanel + v * kLanes, odd);
      }
    }
    return room;
  }
  static constexpr int kPanelsEach = kWide / kPanel;  // a panel of the file holds several of the tile's
};

void copy_block(const float* a, size_t lda, int rows, int depth, float* out) {
  for (int r = 0; r < rows; ++r) {
    for (int p = 0; p < depth; p += kLanes) {
      const int n = smaller(kLanes, depth - p);
      vstore_n(out + r * kStride + p, vload_n(a + r * lda + p, n), n);
    }
  }
}

// All k for some rows and some panels: few enough that the rows' block and the sums wait in the second-level cache.
template <class Weights>
void gemm_block(const GemmArgs& g, int row, int rows, int first_panel, int last_panel) {
  const int k = g.w->k;
  float* block = static_cast<float*>(g.scratch);
  float* room = block + static_cast<size_t>(smaller(g.rows, kBlockRows)) * kStride;
  const float* a = static_cast<const float*>(g.a) + row * (g.lda / sizeof(float));
  for (int from = 0; from < k; from += kDepth) {
    const int depth = smaller(kDepth, k - from);
    copy_block(a + from, g.lda / sizeof(float), rows, depth, block);
    for (int panel = first_panel; panel < last_panel; ++panel) {
      const int column = panel * kPanel, columns = smaller(kPanel, g.w->n - column);
      if (columns <= 0) continue;  // the last panel of a file may have more room than the tile's
      const float* b = Weights::block(*g.w, panel, from, depth, room);
      const void* next = panel + 1 < last_panel ? Weights::at(*g.w, panel + 1, from)
                         : from + depth < k     ? Weights::at(*g.w, first_panel, from + depth)
                                                : nullptr;
      multiply_block(block, rows, b, static_cast<const float*>(next), depth, from == 0, g.c + row * g.ldc + column,
                     g.ldc, columns);
      if (from + depth == k) finish(g, row, column, rows, columns);
    }
  }
}

template <class Weights>
void gemm_floats(const GemmArgs& g) {
  const int last = g.last_panel * Weights::kPanelsEach;
  for (int row = 0; row < g.rows; row += kBlockRows) {
    for (int panel = g.first_panel * Weights::kPanelsEach; panel < last; panel += kBlockPanels) {
      gemm_block<Weights>(g, row, smaller(kBlockRows, g.rows - row), panel, smaller(panel + kBlockPanels, last));
    }
  }
}

size_t gemm_floats_scratch(int rows, int) {
  return sizeof(float) * (static_cast<size_t>(kStride) * smaller(rows, kBlockRows) + kDepth * kPanel);
}

size_t panel_bytes_floats(int k) { return sizeof(float) * kPanel * static_cast<size_t>(k); }

// One panel from at most kPanel rows of k floats, the missing ones zero.
void pack_strided(const float* rows_of_k, size_t ld, int rows, int k, float* panel) {
  for (int p = 0; p < k; ++p) {
    for (int r = 0; r < kPanel; ++r) panel[p * kPanel + r] = r < rows ? rows_of_k[r * ld + p] : 0.0f;
  }
}

void pack_panel_floats(const float* weights, int rows, int k, void* out, float*, int32_t*) {
  pack_strided(weights, static_cast<size_t>(k), rows, k, static_cast<float*>(out));
}

// The tile's multiply-adds with nothing to load.
double spin_floats(long rounds) {
  Vec sum[kRows][kVecs];
  float one = 1.0f;
  __asm__ volatile("" : "+m"(one));
  const Vec x = vset(one);
  for (auto& r : sum) {
    for (auto& s : r) s = vset(0.0f);
  }
  for (long i = 0; i < rounds; ++i) {
    RESIFT_UNROLL
    for (int r = 0; r < kRows; ++r) {
      RESIFT_UNROLL
      for (int v = 0; v < kVecs; ++v) sum[r][v] = vfma(x, x, sum[r][v]);
    }
  }
  float sink[kLanes];
  for (auto& r : sum) {
    for (auto& s : r) {
      vstore(sink, s);
      __asm__ volatile("" : : "r"(sink) : "memory");
    }
  }
  return 2.0 * static_cast<double>(rounds) * kRows * kPanel;
}

}  // namespace
}  // namespace resift
