// Matrix product of prepared rows with panels of the common layout (see kernel.h) on tile registers. Included by a
// kernel file, after tiles.h and gemm_panels.inl.
//
// `Dot`, beside what gemm_panels.inl asks for: kStep, the k of a tile, and product<C, A, B>().
//
// Prepared rows lie in groups of 16: a line of their scales where kHeader says so, then a tile for every kStep of k.
// So every tile that is loaded is 1 KB in one piece, or (of weights) every other line of 2 KB.
//
// What bounds the speed, on the first CPUs that have tiles (Sapphire Rapids): a product takes 16 cycles, a tile from
// the first-level cache 8, from the second-level cache 20 or more. So 32 rows meet 32 outputs in four products for four
// loads, and a block of weights of kDepth stays in the first-level cache while all rows pass: 16 KB, and as much again
// for the rows and a quarter of it for sums. Scaling, activation and storing take as long as the products where k is
// short, so they are not done after a block but between the products of later ones: a row's sums wait, at most for the
// time of a panel. The CPU overlaps the two, since they have no registers and few execution units in common.

namespace resift {
namespace {

constexpr int kGroup = kTileRows;          // prepared rows
constexpr int kPair = 2 * kGroup;          // rows that meet a panel at a time
constexpr size_t kKept = size_t{1} << 20;  // bytes of rows that stay in the second-level cache

inline const uint8_t* group_of(const uint8_t* rows, size_t lda, int row) {
  return rows + static_cast<size_t>(row / kGroup) * kGroup * lda;
}

// Sums that are done, row after row and panel after panel, waiting to become outputs.
template <class Dot, Vec (*F)(Vec)>
class Waiting {
 public:
  using Sum = typename Dot::Sum;
  static constexpr bool kPacked = true;  // rows are prepared ones, and come from the second-level cache

  // For `rows` rows from `row` on, with their `scales`; `sums` has room for two panels of `room` values each.
  Waiting(const GemmArgs& g, int row, int rows, const float* scales, const Sum* sums, size_t room)
      : w_(*g.w), scales_(scales), c_(g.half == nullptr ? g.c + row * g.ldc : nullptr),
        half_(g.half == nullptr ? nullptr : g.half + row * g.ldc), ldc_(g.ldc),
        residual_(g.residual == nullptr ? nullptr : g.residual + row * g.ldr), ldr_(g.ldr), rows_(rows),
        column_(g.first_panel * kWide), now_(sums), then_(sums + room) {}

  void add(int rows) { ready_ += rows; }

  // At most `rows` rows, as far as there are any.
  void some(int rows) {
    for (rows = smaller(rows, ready_); rows > 0;) {
      const int count = smaller(rows, rows_ - row_);
      finish(count);
      rows -= count;
      ready_ -= count;
      row_ += count;
      if (row_ == rows_) next_panel();
    }
  }
  void all() { some(ready_); }

 private:
  void next_panel() {
    row_ = 0;
    column_ += kWide;
    const Sum* other = then_;
    then_ = now_;
    now_ = other;
  }

  // Subtle: one path for whole and cut panels, and no calls, so that what is the same for all rows stays in registers
  // through the loop around `some`.
  void finish(int count) {
    const Packed w = w_;  // copies: for all the compiler knows, the stores below change the members
    const size_t ldc = ldc_, ldr = residual_ == nullptr ? 0 : ldr_;
    const int column = column_, columns = w.n - column;
    const Sum* sums = now_ + row_ * kWide;
    const float* scale = scales_ + row_;
    float* c = half_ == nullptr ? c_ + row_ * ldc + column : nullptr;
    uint16_t* half = half_ == nullptr ? nullptr : half_ + row_ * ldc + column;
    const float* residual = residual_ == nullptr ? nullptr : residual_ + row_ * ldr + column;
    for (int r = 0; r < count; ++r, sums += kWide, ++scale, residual += ldr) {
      RESIFT_UNROLL
      for (int j = 0; j < kWide; j += kLanes) {
        const int n = columns < j ? 0 : smaller(kLanes, columns - j);
        Vec x = F(Dot::value(sums + j, w, column + j, reinterpret_cast<const uint8_t*>(scale)));
        if (residual != nullptr) x = vadd(x, vload_n(residual + j, n));
        if (half != nullptr) {
          vstore_bf16_n(half + j, x, n);
        } else {
          vstore_n(c + j, x, n);
        }
      }
      half += half == nullptr ? 0 : ldc;
      c += half == nullptr ? ldc : 0;
    }
  }

  const Packed w_;
  const float* scales_;
  float* c_;
  uint16_t* half_;
  size_t ldc_;
  const float* residual_;
  size_t ldr_;
  int rows_, column_, row_ = 0, ready_ = 0;
  const Sum *now_, *then_;  // sums of the panel in work, and of the next
};

// Nothing waits.
struct Nothing {
  static constexpr bool kPacked = false;
  void some(int) {}
};

// Lines that a later block will want, some with every step.
struct Ahead {
  const uint8_t* at;
  size_t left, share;  // bytes: in all, and with each step

  void some(int steps) {
    const size_t wanted = share * static_cast<size_t>(steps), bytes = wanted < left ? wanted : left;
    for (size_t i = 0; i < bytes; i += kTileLine) __builtin_prefetch(at + i, 0, 2);
    at += bytes;
    left -= bytes;
  }
};

// out[kGroup or kPair][32] (+)= rows * b, `steps` tiles deep. Rows of group i begin at a[i]: prepared ones, or plain
// ones `lda` bytes apart. Between the products `waiting` has `rows` rows done for each step.
template <class Dot, bool kTwo, class Waiting>
void multiply_tiles(const uint8_t* const (&a)[2], size_t lda, const uint8_t* b, int steps, bool first,
                    typename Dot::Sum* out, Waiting& waiting, int rows, Ahead& ahead) {
  constexpr size_t kLine = kWide * sizeof(typename Dot::Sum), kPanelLine = 2 * kTileLine;
  typename Dot::Sum* low = out + kGroup * kWide;
  const size_t line = Waiting::kPacked ? kTileLine : lda, step = Waiting::kPacked ? kTileBytes : kTileLine;
  const uint8_t *a0 = a[0], *a1 = a[1];
  tile_fence();
  if (first) {
    tile_zero<0>();
    tile_zero<1>();
    if constexpr (kTwo) tile_zero<2>();
    if constexpr (kTwo) tile_zero<3>();
  } else {
    tile_load<0>(out, kLine);
    tile_load<1>(out + kGroup, kLine);
    if constexpr (kTwo) tile_load<2>(low, kLine);
    if constexpr (kTwo) tile_load<3>(low + kGroup, kLine);
  }
  const auto multiply = [&] {
    tile_load<4>(a0, line);
    tile_load<6>(b, kPanelLine);
    Dot::template product<0, 4, 6>();
    tile_load<7>(b + kTileLine, kPanelLine);
    Dot::template product<1, 4, 7>();
    if constexpr (kTwo) {
      tile_load<5>(a1, line);
      Dot::template product<2, 5, 6>();
      Dot::template product<3, 5, 7>();
    }
    if constexpr (Waiting::kPacked) {  // a step before they are loaded; past the end is harmless
      RESIFT_UNROLL
      for (int r = 0; r < kTileRows; ++r) {
        __builtin_prefetch(a0 + step + r * line);
        if constexpr (kTwo) __builtin_prefetch(a1 + step + r * line);
      }
    }
    a0 += step;
    a1 += step;
    b += 2 * kTileBytes;
  };
  for (int left = steps; left > 0; left -= 2) {  // two at a time: what goes between them has its own beginning and end
    multiply();
    if (left > 1) multiply();
    const int done = smaller(left, 2);
    ahead.some(done);
    waiting.some(done * rows);
  }
  tile_store<0>(out, kLine);
  tile_store<1>(out + kGroup, kLine);
  if constexpr (kTwo) tile_store<2>(low, kLine);
  if constexpr (kTwo) tile_store<3>(low + kGroup, kLine);
}

template <class Dot>
struct TileProduct {
  using Sum = typename Dot::Sum;

  static size_t scratch(int rows, int k) {
    const int most = in_pairs(smaller(rows, most_rows(k)));
    return 2 * sizeof(Sum) * room(most) + sizeof(float) * static_cast<size_t>(most);
  }

  static void gemm(const GemmArgs& g) {
    switch (g.activation) {
      case Activation::none: return run<identity>(g);
      case Activation::gelu: return run<vgelu_quick>(g);
      case Activation::gelu_tanh: return run<vgelu_tanh>(g);
      case Activation::relu: return run<vrelu>(g);
      case Activation::tanh: return run<vtanh>(g);
    }
  }

 private:
  static int most_rows(int k) {
    const int fit = static_cast<int>(kKept / (static_cast<size_t>(padded(k)) * Dot::kBytes)) / kPair * kPair;
    return fit < 2 * kPair ? 2 * kPair : smaller(fit, 512);
  }
  static int in_pairs(int rows) { return (rows + kPair - 1) / kPair * kPair; }
  static size_t room(int rows) { return static_cast<size_t>(in_pairs(rows)) * kWide; }

  template <Vec (*F)(Vec)>
  static void run(const GemmArgs& g) {
    const TileScope tiles;
    const int blocks = (g.rows + most_rows(g.w->k) - 1) / most_rows(g.w->k);
    const int step = blocks == 0 ? 0 : in_pairs((g.rows + blocks - 1) / blocks);
    for (int row = 0; row < g.rows; row += step) multiply<F>(g, row, smaller(step, g.rows - row));
  }

  // All panels for some rows.
  template <Vec (*F)(Vec)>
  static void multiply(const GemmArgs& g, int row, int rows) {
    const int k = padded(g.w->k), depth = PanelProduct<Dot>::depth_of(g.w->k), steps = k / Dot::kStep;
    const size_t group = kGroup * g.lda, half = room(rows);
    const uint8_t* a = group_of(static_cast<const uint8_t*>(g.a), g.lda, row) + Dot::kHeader;
    Sum* sums = static_cast<Sum*>(g.scratch);
    float* scales = reinterpret_cast<float*>(sums + 2 * half);
    if constexpr (Dot::kHeader != 0) {
      for (int r = 0; r < rows; ++r) {
        const uint8_t* header = a - Dot::kHeader + static_cast<size_t>(r / kGroup) * group;
        scales[r] = reinterpret_cast<const float*>(header)[r % kGroup];
      }
    }
    Waiting<Dot, F> waiting(g, row, rows, scales, sums, half);
    // Fast enough to be done with a panel before the one after the next takes its place.
    const int with_step = (kPair + steps - 1) / steps;
    const int pairs = (rows + kPair - 1) / kPair;
    const uint8_t* b = static_cast<const uint8_t*>(g.w->panels) +
                       static_cast<size_t>(g.first_panel) * panel_size(k);
    const uint8_t* end = b + static_cast<size_t>(g.last_panel - g.first_panel) * panel_size(k);
    for (int panel = g.first_panel; panel < g.last_panel; ++panel) {
      Sum* out = sums + ((panel - g.first_panel) % 2 == 0 ? 0 : half);
      for (int from = 0; from < k; from += depth) {
        const int deep = smaller(depth, k - from) / Dot::kStep;
        const size_t bytes = static_cast<size_t>(deep) * 2 * kTileBytes;
        const size_t rest = static_cast<size_t>(end - b) - bytes;
        const size_t lines = static_cast<size_t>(2 * kTileRows + pairs - 1) / pairs;
        Ahead ahead{b + bytes, rest < bytes ? rest : bytes, lines * kTileLine};
        for (int r = 0; r < rows; r += kPair) {
          const uint8_t* first = a + static_cast<size_t>(r / kGroup) * group +
                                 static_cast<size_t>(from / Dot::kStep) * kTileBytes;
          const uint8_t* const both[2] = {first, first + group};
          const auto work = rows - r > kGroup ? multiply_tiles<Dot, true, Waiting<Dot, F>>
                                              : multiply_tiles<Dot, false, Waiting<Dot, F>>;
          work(both, 0, b, deep, from == 0, out + r * kWide, waiting, with_step, ahead);
          if (from + depth >= k) waiting.add(smaller(kPair, rows - r));
        }
        b += bytes;
      }
    }
    waiting.all();
  }

  static size_t panel_size(int k) { return static_cast<size_t>(k) * kWide * Dot::kWeightBytes; }
};

}  // namespace
}  // namespace resift
