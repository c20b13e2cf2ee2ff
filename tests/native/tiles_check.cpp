// Kernels on emulated tiles against plain loops: test_tiles.py compiles this file with kernels/amx.cpp and
// kernels/portable.cpp and runs the check it names.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/table.h"

namespace {

using resift::Activation;
using resift::AttentionArgs;
using resift::GemmArgs;
using resift::Kernel;
using resift::Packed;
using resift::Precision;

void expect(bool holds, const char* what, int line) {
  if (holds) return;
  std::fprintf(stderr, "line %d: %s\n", line, what);
  std::_Exit(1);
}
#define EXPECT(...) expect((__VA_ARGS__), #__VA_ARGS__, __LINE__)

std::size_t size(int count) { return static_cast<std::size_t>(count); }

// Exactly so many bytes, aligned as the engine's are and full of rubbish; the sanitizer, or a mark, sees the end.
class Room {
 public:
  explicit Room(std::size_t bytes) : bytes_(bytes), data_(static_cast<unsigned char*>(aligned(bytes + kMark))) {
    std::memset(data_, 0xfb, bytes + kMark);
  }
  ~Room() {
    for (std::size_t i = 0; i < kMark; ++i) EXPECT(data_[bytes_ + i] == 0xfb);
    std::free(data_);
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }

 private:
  static constexpr std::size_t kMark = 64;
  static void* aligned(std::size_t bytes) { return std::aligned_alloc(64, (bytes + 63) / 64 * 64); }
  std::size_t bytes_;
  unsigned char* data_;
};

std::mt19937 random_bits(7);

std::vector<float> normal(std::size_t count) {
  std::normal_distribution<float> draw;
  std::vector<float> out(count);
  for (float& x : out) x = draw(random_bits);
  return out;
}

// Whole numbers up to 127, one of them 127 in every row: quantising changes nothing, scales are 1, sums are exact.
std::vector<float> whole(int rows, int columns) {
  std::uniform_int_distribution<int> draw(-127, 127);
  std::vector<float> out(size(rows) * size(columns));
  for (float& x : out) x = static_cast<float>(draw(random_bits));
  for (int r = 0; r < rows; ++r) out[size(r * columns + r % columns)] = r % 2 == 0 ? 127.0f : -127.0f;
  return out;
}

struct Matrix {
  int rows, columns;
  std::vector<float> values;
  float at(int r, int c) const { return values[size(r) * size(columns) + size(c)]; }
};

// Weights in a kernel's panels.
struct Weights {
  Weights(const Kernel& kernel, const Matrix& w, std::vector<float> biases)
      : panels((w.rows + kernel.panel - 1) / kernel.panel), room(kernel.panel_bytes(w.columns) * size(panels)),
        bias(std::move(biases)), scale(size(panels * kernel.panel)), sums(scale.size()) {
    bias.resize(scale.size());
    for (int p = 0; p < panels; ++p) {
      const int first = p * kernel.panel, count = std::min(kernel.panel, w.rows - first);
      const std::size_t place = size(first);
      kernel.pack_panel(w.values.data() + place * size(w.columns), count, w.columns,
                        room.as<unsigned char>() + kernel.panel_bytes(w.columns) * size(p),
                        scale.data() + place, sums.data() + place);
    }
    packed = {w.rows, w.columns, room.as<void>(), bias.data(), scale.data(), sums.data(), nullptr, nullptr};
  }
  int panels;
  Room room;
  std::vector<float> bias, scale;
  std::vector<std::int32_t> sums;
  Packed packed;
};

struct Extras {
  Activation activation = Activation::none;
  const float* residual = nullptr;  // [rows, n]
  int parts = 1;                    // ranges of panels, each a call of its own
  int cut = 0;                      // rows of a first call; the rest are a second one
};

std::vector<float> product(const Kernel& kernel, const Matrix& x, const Weights& w, const Extras& extras = {}) {
  const int n = w.packed.n, k = w.packed.k;
  const std::size_t wide = size(n);
  const int group = kernel.row_group, groups = (x.rows + group - 1) / group;
  const std::size_t row = kernel.row_bytes(k);
  Room rows(row * size(groups * group));
  const int half = x.rows / 2;  // prepared in two parts, as several threads do
  kernel.prepare(x.values.data(), size(k), 0, half, w.packed, rows.as<void>());
  kernel.prepare(x.values.data() + size(half * k), size(k), half, x.rows - half, w.packed, rows.as<void>());
  const std::size_t stride = wide + 3;
  std::vector<float> out(size(x.rows) * stride, -7.0f);
  const int borders[] = {0, extras.cut, x.rows};
  for (int i = 0; i < 2; ++i) {
    const int from = borders[i], count = borders[i + 1] - from;
    if (count == 0) continue;
    const std::size_t place = size(from);
    Room scratch(kernel.gemm_scratch(count, k));
    for (int part = 0; part < extras.parts; ++part) {
      GemmArgs args{};
      args.a = rows.as<unsigned char>() + row * place;
      args.lda = row;
      args.rows = count;
      args.w = &w.packed;
      args.first_panel = w.panels * part / extras.parts;
      args.last_panel = w.panels * (part + 1) / extras.parts;
      args.c = out.data() + stride * place;
      args.ldc = stride;
      args.activation = extras.activation;
      args.residual = extras.residual == nullptr ? nullptr : extras.residual + wide * place;
      args.ldr = wide;
      args.scratch = scratch.as<void>();
      kernel.gemm(args);
    }
  }
  std::vector<float> dense;
  for (const float* r = out.data(); r != out.data() + out.size(); r += stride) {
    EXPECT(std::all_of(r + wide, r + stride, [](float x) { return x == -7.0f; }));
    dense.insert(dense.end(), r, r + wide);
  }
  return dense;
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT(std::isfinite(a[i]) && std::isfinite(b[i]));
    most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return most;
}

constexpr int kRows[] = {1, 15, 16, 17, 31, 32, 33, 48, 49, 100, 161};
constexpr struct {
  int n, k;
} kShapes[] = {{1, 1}, {31, 63}, {32, 64}, {33, 65}, {64, 512}, {70, 513}, {96, 1024}, {40, 1100}, {65, 2304}};

// Sums of bytes are equal bit for bit to those of plain loops.
void int8_sums() {
  for (const auto& shape : kShapes) {
    const Matrix w{shape.n, shape.k, whole(shape.n, shape.k)};
    const Weights tiles(resift::amx_int8, w, {}), plain(resift::portable_int8, w, {});
    EXPECT(std::all_of(tiles.scale.begin(), tiles.scale.begin() + shape.n, [](float s) { return s == 1.0f; }));
    for (const int rows : kRows) {
      const Matrix x{rows, shape.k, whole(rows, shape.k)};
      EXPECT(same(product(resift::amx_int8, x, tiles), product(resift::portable_int8, x, plain)));
    }
  }
}

// Everything around the sums: smoothing, scales, bias, activations, residual.
void int8_outputs() {
  constexpr Activation kAll[] = {Activation::none, Activation::gelu, Activation::gelu_tanh, Activation::relu,
                                 Activation::tanh};
  for (const Activation activation : kAll) {
    for (const auto& shape : kShapes) {
      const int rows = 50;
      const std::size_t n = size(shape.n), k = size(shape.k);
      Matrix w{shape.n, shape.k, normal(n * k)};
      for (float& value : w.values) value /= std::sqrt(static_cast<float>(shape.k));
      const Matrix x{rows, shape.k, normal(rows * k)};
      const auto bias = normal(n), residual = normal(rows * n), shift = normal(k);
      auto smooth = normal(k);
      for (float& value : smooth) value = 1.0f + 0.5f * std::tanh(value);
      Weights tiles(resift::amx_int8, w, bias), plain(resift::portable_int8, w, bias);
      for (Weights* which : {&tiles, &plain}) {
        which->packed.smooth = smooth.data();
        which->packed.shift = shift.data();
      }
      const Extras extras{activation, residual.data()};
      const auto got = product(resift::amx_int8, x, tiles, extras);
      // Half a step of a quantised input may fall to the other side where a fused multiplication rounds differently.
      EXPECT(largest_difference(got, product(resift::portable_int8, x, plain, extras)) < 0.03);
    }
  }
}

// An output depends on its row and its panel only.
void splits() {
  for (const Kernel* kernel : {&resift::amx_int8, &resift::amx_bf16}) {
    const int n = 300, k = 700, rows = 150;
    const Matrix w{n, k, normal(size(n * k))};
    const Weights weights(*kernel, w, normal(size(n)));
    const Matrix x{rows, k, normal(size(rows * k))};
    const auto at_once = product(*kernel, x, weights, {Activation::gelu, nullptr});
    for (const int parts : {2, 3, 10}) {
      for (const int cut : {0, 16, 48, 144}) {
        EXPECT(same(at_once, product(*kernel, x, weights, {Activation::gelu, nullptr, parts, cut})));
      }
    }
    for (const int first : {0, 5, 149}) {
      const Matrix one{1, k, {x.values.begin() + first * k, x.values.begin() + (first + 1) * k}};
      const std::vector<float> row(at_once.begin() + first * n, at_once.begin() + (first + 1) * n);
      EXPECT(same(row, product(*kernel, one, weights, {Activation::gelu, nullptr})));
    }
  }
}

// More rows than a block of them, for k that makes blocks small.
void many_rows() {
  const int n = 40, k = 4100, rows = 600;
  const Matrix w{n, k, whole(n, k)}, x{rows, k, whole(rows, k)};
  const Weights tiles(resift::amx_int8, w, {}), plain(resift::portable_int8, w, {});
  EXPECT(same(product(resift::amx_int8, x, tiles), product(resift::portable_int8, x, plain)));
}

float rounded(float x) {  // to bfloat16
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

void bf16_products() {
  for (const auto& shape : kShapes) {
    for (const int rows : kRows) {
      const std::size_t n = size(shape.n), k = size(shape.k);
      const Matrix w{shape.n, shape.k, normal(n * k)}, x{rows, shape.k, normal(size(rows) * k)};
      const auto bias = normal(n);
      const auto got = product(resift::amx_bf16, x, Weights(resift::amx_bf16, w, bias));
      for (int r = 0; r < rows; ++r) {
        for (int j = 0; j < shape.n; ++j) {
          double sum = bias[size(j)], terms = std::abs(sum);
          for (int p = 0; p < shape.k; ++p) {
            const double term = static_cast<double>(rounded(x.at(r, p))) * rounded(w.at(j, p));
            sum += term;
            terms += std::abs(term);
          }
          EXPECT(std::abs(got[size(r) * n + size(j)] - sum) <= 1e-6 * terms);
        }
      }
    }
  }
}

// Outputs in bfloat16 are the rounded ones, and rows made ready from them are those made ready from the same floats.
void halves() {
  for (const Kernel* kernel : {&resift::amx_int8, &resift::amx_bf16}) {
    for (const auto& shape : kShapes) {
      const int rows = 37;
      const Matrix w{shape.n, shape.k, normal(size(shape.n * shape.k))}, x{rows, shape.k, normal(size(rows * shape.k))};
      const Weights weights(*kernel, w, normal(size(shape.n)));
      auto wanted = product(*kernel, x, weights, {Activation::gelu, nullptr});
      const std::size_t stride = size(shape.n) + 3, row = kernel->row_bytes(shape.k);
      Room ready(row * size((rows + 15) / 16 * 16)), scratch(kernel->gemm_scratch(rows, shape.k));
      kernel->prepare(x.values.data(), size(shape.k), 0, rows, weights.packed, ready.as<void>());
      std::vector<std::uint16_t> got(size(rows) * stride, 0x7777);
      GemmArgs args{};
      args.a = ready.as<void>();
      args.lda = row;
      args.rows = rows;
      args.w = &weights.packed;
      args.last_panel = weights.panels;
      args.half = got.data();
      args.ldc = stride;
      args.activation = Activation::gelu;
      args.scratch = scratch.as<void>();
      kernel->gemm(args);
      for (std::size_t i = 0; i < got.size(); ++i) {
        const std::size_t r = i / stride, j = i % stride;
        if (j >= size(shape.n)) {
          EXPECT(got[i] == 0x7777);
          continue;
        }
        float& value = wanted[r * size(shape.n) + j];
        value = rounded(value);
        std::uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        EXPECT(got[i] == bits >> 16);
      }
      // As inputs of a second product.
      const Matrix next{1, shape.n, normal(size(shape.n))};
      const Weights after(*kernel, next, {});
      const std::size_t bytes = kernel->row_bytes(shape.n) * 48;
      Room one(bytes), two(bytes);
      kernel->prepare(wanted.data(), size(shape.n), 0, rows, after.packed, one.as<void>());
      kernel->prepare_half(got.data(), stride, 0, 20, after.packed, two.as<void>());
      kernel->prepare_half(got.data() + 20 * stride, stride, 20, rows - 20, after.packed, two.as<void>());
      EXPECT(std::memcmp(one.as<void>(), two.as<void>(), bytes) == 0);
    }
  }
}

struct Sequence {
  Sequence(int tokens, int columns)
      : length(tokens), width(columns), q(normal(size(tokens) * stride())), k(normal(q.size())), v(normal(q.size())) {}
  std::size_t stride() const { return size(width) + 5; }

  std::vector<float> attend(const Kernel& kernel, int first, int queries) const {
    Room scratch(kernel.attention_scratch(length, width));
    std::vector<float> out(size(queries) * stride(), -7.0f);
    AttentionArgs args{};
    args.q = q.data() + size(first) * stride();
    args.queries = queries;
    args.k = k.data();
    args.v = v.data();
    args.ldq = args.ldkv = args.ldo = stride();
    args.length = length;
    args.width = width;
    args.out = out.data();
    args.scratch = scratch.as<void>();
    kernel.attention(args);
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT((i % stride() >= size(width)) == (out[i] == -7.0f));
    return out;
  }

  int length, width;
  std::vector<float> q, k, v;
};

void attention() {
  for (const int width : {8, 32, 64, 100}) {
    for (const int length : {1, 2, 16, 31, 33, 64, 147, 300}) {
      const Sequence sequence(length, width);
      const auto all = sequence.attend(resift::amx_bf16, 0, length);
      EXPECT(largest_difference(all, sequence.attend(resift::portable_fp32, 0, length)) < 0.04);
      EXPECT(same(all, sequence.attend(resift::amx_int8, 0, length)));
      const int first = length / 3;
      const auto rest = sequence.attend(resift::amx_bf16, first, length - first);
      EXPECT(std::memcmp(rest.data(), all.data() + size(first) * sequence.stride(), rest.size() * sizeof(float)) == 0);
    }
  }
}

}  // namespace

int main(int, char** arguments) {
  const struct {
    const char* name;
    void (*run)();
  } checks[] = {{"int8_sums", int8_sums}, {"int8_outputs", int8_outputs},   {"splits", splits},
                {"many_rows", many_rows}, {"bf16_products", bf16_products}, {"attention", attention},
                {"halves", halves}};
  for (const auto& check : checks) {
    if (std::strcmp(check.name, arguments[1]) == 0) {
      check.run();
      return 0;
    }
  }
  return 2;
}
