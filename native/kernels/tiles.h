// Eight tile registers of 16 rows of 64 bytes (AMX), and the two products on them. Included once by a kernel file.
//
// Compiled with RESIFT_EMULATE_TILES, plain code does what the instructions do, so that what is built on them can be
// checked on any CPU: it keeps a configuration, traps where the CPU would raise an exception, and rounds as it does
// (Intel's Software Developer's Manual, volume 2, TDPBSSD and TDPBF16PS).
#include <stddef.h>
#include <stdint.h>

namespace resift {
namespace {

constexpr int kTileRows = 16, kTileLine = 64, kTileBytes = kTileRows * kTileLine;

// What `ldtilecfg` reads: palette 1 has 8 tiles.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t line[16] = {};  // bytes of a row
  uint8_t rows[16] = {};
};

constexpr TileConfig whole_tiles() {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.line[i] = kTileLine;
    config.rows[i] = kTileRows;
  }
  return config;
}

#if defined(RESIFT_EMULATE_TILES)

struct TileState {
  bool configured = false;
  TileConfig config;
  alignas(64) uint8_t tile[8][kTileRows][kTileLine];
};
inline thread_local TileState tile_state;

inline void tile_check(bool holds) {
  if (!holds) __builtin_trap();
}

inline void tile_configure(const TileConfig& config) {
  tile_check(config.palette == 1 && config.start_row == 0);
  for (const uint8_t byte : config.reserved) tile_check(byte == 0);
  for (int i = 0; i < 16; ++i) {
    tile_check((config.rows[i] == 0) == (config.line[i] == 0));
    tile_check(i < 8 ? config.rows[i] <= kTileRows && config.line[i] <= kTileLine : config.rows[i] == 0);
  }
  tile_state = TileState{true, config, {}};
}
inline void tile_release() { tile_state = TileState{}; }

template <int T>
void tile_zero() {
  tile_check(tile_state.configured && tile_state.config.rows[T] != 0);
  __builtin_memset(tile_state.tile[T], 0, kTileBytes);
}
template <int T>
void tile_load(const void* from, size_t stride) {
  tile_zero<T>();
  for (int r = 0; r < tile_state.config.rows[T]; ++r) {
    __builtin_memcpy(tile_state.tile[T][r], static_cast<const uint8_t*>(from) + r * stride, tile_state.config.line[T]);
  }
}
template <int T>
void tile_store(void* to, size_t stride) {
  tile_check(tile_state.configured && tile_state.config.rows[T] != 0);
  for (int r = 0; r < tile_state.config.rows[T]; ++r) {
    __builtin_memcpy(static_cast<uint8_t*>(to) + r * stride, tile_state.tile[T][r], tile_state.config.line[T]);
  }
}
inline void tile_fence() {}

// Tiles that fit each other: C [rows, columns] += A [rows, groups of 4 bytes] * B [groups, columns].
template <int C, int A, int B>
void tile_check_product() {
  const TileConfig& c = tile_state.config;
  static_assert(C != A && C != B && A != B, "the CPU refuses products of a tile with itself");
  tile_check(tile_state.configured && c.rows[C] != 0 && c.rows[A] != 0 && c.rows[B] != 0);
  tile_check(c.rows[C] == c.rows[A] && c.line[C] == c.line[B] && c.line[A] == 4 * c.rows[B]);
  tile_check(c.line[A] % 4 == 0 && c.line[C] % 4 == 0);
}

template <int C, int A, int B>
void tile_dot_int8() {
  tile_check_product<C, A, B>();
  const TileConfig& config = tile_state.config;
  for (int m = 0; m < config.rows[C]; ++m) {
    uint32_t sum[16];
    __builtin_memcpy(sum, tile_state.tile[C][m], sizeof sum);
    const int8_t* a = reinterpret_cast<const int8_t*>(tile_state.tile[A][m]);
    for (int k = 0; k < config.line[A] / 4; ++k) {
      const int8_t* b = reinterpret_cast<const int8_t*>(tile_state.tile[B][k]);
      for (int n = 0; n < config.line[C] / 4; ++n) {
        for (int i = 0; i < 4; ++i) sum[n] += static_cast<uint32_t>(a[4 * k + i] * b[4 * n + i]);
      }
    }
    __builtin_memcpy(tile_state.tile[C][m], sum, sizeof sum);
  }
}

// Numbers too small to be normal are 0 for these products, on both sides.
inline float flushed(float x) { return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0.0f, x) : x; }
inline float tile_bf16(const uint8_t* p) {
  uint16_t half;
  __builtin_memcpy(&half, p, sizeof half);
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return flushed(x);
}

// Numbers at even and at odd places are summed apart from 0 on, then both sums are added to what was there.
template <int C, int A, int B>
void tile_dot_bf16() {
  tile_check_product<C, A, B>();
  const TileConfig& config = tile_state.config;
  for (int m = 0; m < config.rows[C]; ++m) {
    float sum[2][16] = {}, out[16];
    for (int k = 0; k < config.line[A] / 4; ++k) {
      for (int half = 0; half < 2; ++half) {
        const float a = tile_bf16(tile_state.tile[A][m] + 4 * k + 2 * half);
        for (int n = 0; n < config.line[C] / 4; ++n) {
          const float b = tile_bf16(tile_state.tile[B][k] + 4 * n + 2 * half);
          sum[half][n] = flushed(__builtin_fmaf(a, b, sum[half][n]));
        }
      }
    }
    __builtin_memcpy(out, tile_state.tile[C][m], sizeof out);
    for (int n = 0; n < config.line[C] / 4; ++n) out[n] = flushed(flushed(out[n]) + flushed(sum[0][n] + sum[1][n]));
    __builtin_memcpy(tile_state.tile[C][m], out, sizeof out);
  }
}

#else

// Subtle: not the compilers' intrinsics. GCC's take the tile's number as a token only, so not from a template. A load
// names no memory, so that what the caller holds in registers stays there; `tile_fence` comes before the first load of
// what was just written.
inline void tile_configure(const TileConfig& config) { __asm__ volatile("ldtilecfg %0" : : "m"(config)); }
inline void tile_release() { __asm__ volatile("tilerelease"); }
inline void tile_fence() { __asm__ volatile("" : : : "memory"); }

template <int T>
void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(T));
}
template <int T>
void tile_load(const void* from, size_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(T));
}
template <int T>
void tile_store(void* to, size_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(T) : "memory");
}
template <int C, int A, int B>
void tile_dot_int8() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}
template <int C, int A, int B>
void tile_dot_bf16() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

#endif

// The tiles are this thread's while one lives. Other libraries of the process configure them as they like, so nothing
// is taken over from before and nothing is left behind.
class TileScope {
 public:
  TileScope() {
    static constexpr TileConfig config = whole_tiles();
    tile_configure(config);
  }
  ~TileScope() { tile_release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

}  // namespace
}  // namespace resift
