#include "weights.h"

#include <cstring>
#include <stdexcept>

namespace resift {

namespace {

using Shape = std::vector<std::int64_t>;

constexpr int kWide = 32, kLine = 64;  // outputs in a stored panel; inputs are rounded up to whole lines
constexpr int kMostInputs = 1 << 16;   // of an int8 product: 255 * 127 * 2^16 still fits a sum of 32 bits

std::string text(const Shape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

const char* text(Storage type) {
  switch (type) {
    case Storage::f32: return "float32";
    case Storage::f16: return "float16";
    case Storage::bf16: return "uint16 (bfloat16)";
    case Storage::i8: return "int8";
    case Storage::u8: return "uint8";
    case Storage::i32: return "int32";
  }
  return "unknown";
}

bool is_float(Storage type) { return type == Storage::f32 || type == Storage::f16 || type == Storage::bf16; }

DType float_type(Storage type) {
  return type == Storage::f32 ? DType::f32 : type == Storage::f16 ? DType::f16 : DType::bf16;
}

std::size_t size_of(DType type) { return type == DType::f32 ? 4 : 2; }

std::size_t rounded_up(int n, int to) { return (static_cast<std::size_t>(n) + to - 1) / to * to; }

class Loader {
 public:
  Loader(const Tensors& tensors, const Kernels& kernels) : tensors_(tensors), kernels_(kernels) {}

  Table table(const std::string& name, int rows, int width) {
    Table t;
    t.rows = rows;
    t.width = width;
    if (has(name + ".int8")) {
      t.form = Table::Form::int8;
      t.data = in_place(find(name + ".int8", {rows, width}, Storage::i8), name + ".int8");
    } else if (has(name + ".int4")) {
      if (width % 2 != 0) throw std::invalid_argument("tensor '" + name + ".int4' needs an even number of columns");
      t.form = Table::Form::int4;
      t.data = in_place(find(name + ".int4", {rows, width / 2}, Storage::u8), name + ".int4");
    } else {
      const Tensor& plain = floats(name, {rows, width});
      t.type = float_type(plain.type);
      t.data = in_place(plain, name);
      return t;
    }
    add_scales(t, name + ".scale");
    return t;
  }

  Norm norm(const std::string& name, int n) const { return {vector(name + ".weight", n), vector(name + ".bias", n)}; }

  // `out` must stay where it is until `pack`.
  void linear(Linear& out, const std::string& name, int n, int k) { stacked(out, name, {name}, n, k, kernels_.main); }
  void linear(Linear& out, const std::string& name, int n, int k, const Kernel& kernel) {
    stacked(out, name, {name}, n, k, kernel);
  }

  // One product for several matrices [n, k] that share their input: their outputs side by side, stored as one tensor
  // `name` in panels or as plain `parts`.
  void stacked(Linear& out, const std::string& name, const std::vector<std::string>& parts, int n, int k,
               const Kernel& kernel) {
    out.n = n * static_cast<int>(parts.size());
    out.k = k;
    if (has(name + ".weight_int8")) return stored(out, name, kernels_.int8);
    if (has(name + ".weight_bf16")) return stored(out, name, kernels_.bf16);
    out.kernel = &kernel;
    if (kernel.precision == Precision::int8) check_inputs(name, k);
    Job job{&out, n, {}};
    out.bias.reserve(padded(out));
    for (const auto& part : parts) {
      job.parts.push_back(&floats(part + ".weight", {n, k}));
      const auto bias = vector(part + ".bias", n);
      out.bias.insert(out.bias.end(), bias.begin(), bias.end());
    }
    out.bias.resize(padded(out));
    out.scale.resize(padded(out));
    out.sums.resize(padded(out));
    jobs_.push_back(std::move(job));
  }

  // Everything has been found in its shape: now the copying.
  Buffer pack(Pool::Session& workers) const {
    std::size_t total = 0;
    for (const Job& job : jobs_) total += bytes(*job.out);
    if (total == 0) return {};
    Buffer packed(total);
    auto* at = static_cast<unsigned char*>(packed.data());
    for (const Job& job : jobs_) {
      pack(job, at, workers);
      job.out->panels = at;
      at += bytes(*job.out);
      workers.give_way();  // a large model takes seconds: other engines need not wait for all of it
    }
    return packed;
  }

  std::vector<std::string> used_in_place() { return std::move(in_place_); }

 private:
  struct Job {
    Linear* out;
    int rows_each;
    std::vector<const Tensor*> parts;
  };

  bool has(const std::string& name) const { return tensors_.count(name) != 0; }

  const Tensor& find(const std::string& name, const Shape& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      throw std::invalid_argument("tensor '" + name + "' is missing; expected one of shape " + text(shape));
    }
    if (found->second.shape != shape) {
      throw std::invalid_argument("tensor '" + name + "' has shape " + text(found->second.shape) + ", expected " +
                                  text(shape));
    }
    return found->second;
  }

  const Tensor& find(const std::string& name, const Shape& shape, Storage type) const {
    const Tensor& t = find(name, shape);
    if (t.type != type) {
      throw std::invalid_argument("tensor '" + name + "' holds " + text(t.type) + ", expected " + text(type));
    }
    return t;
  }

  const Tensor& floats(const std::string& name, const Shape& shape) const {
    const Tensor& t = find(name, shape);
    if (!is_float(t.type)) {
      throw std::invalid_argument("tensor '" + name + "' holds " + text(t.type) +
                                  ", expected float32, float16 or bfloat16");
    }
    return t;
  }

  std::vector<float> vector(const std::string& name, int n) const {
    const Tensor& t = floats(name, {n});
    std::vector<float> out(static_cast<std::size_t>(n));
    kernels_.fp32.to_float(float_type(t.type), t.data, out.data(), out.size());
    return out;
  }

  const unsigned char* in_place(const Tensor& t, const std::string& name) {
    in_place_.push_back(name);
    return static_cast<const unsigned char*>(t.data);
  }

  void add_scales(Table& t, const std::string& name) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || found->second.shape.size() != 2 || found->second.shape[0] != t.rows ||
        found->second.shape[1] < 1 || t.width % found->second.shape[1] != 0) {
      throw std::invalid_argument("tensor '" + name + "' is missing or of the wrong shape; expected [" +
                                  std::to_string(t.rows) + ", groups] with groups that divide " +
                                  std::to_string(t.width));
    }
    const Tensor& scale = floats(name, found->second.shape);
    t.groups = static_cast<int>(scale.shape[1]);
    t.type = float_type(scale.type);
    t.scale = in_place(scale, name);
  }

  static void check_inputs(const std::string& name, int k) {
    if (k > kMostInputs) {
      throw std::invalid_argument("linear '" + name + "' has " + std::to_string(k) + " inputs; int8 takes at most " +
                                  std::to_string(kMostInputs));
    }
  }

  // Panels as the kernel reads them, used where they lie.
  void stored(Linear& out, const std::string& name, const Kernel& kernel) {
    const bool int8 = kernel.precision == Precision::int8;
    const std::string weight = name + (int8 ? ".weight_int8" : ".weight_bf16");
    const std::int64_t group = int8 ? 4 : 2, lines = static_cast<std::int64_t>(rounded_up(out.k, kLine));
    const auto panels = static_cast<std::int64_t>(rounded_up(out.n, kWide)) / kWide;
    out.kernel = &kernel;
    const Tensor& t = find(weight, {panels, lines / group, kWide, group}, int8 ? Storage::i8 : Storage::bf16);
    if (reinterpret_cast<std::uintptr_t>(t.data) % alignof(float) != 0) {
      throw std::invalid_argument("tensor '" + weight + "' is not aligned to 4 bytes");
    }
    out.panels = in_place(t, weight);
    out.bias = vector(name + ".bias", out.n);
    out.bias.resize(padded(out));
    if (!int8) return;
    check_inputs(name, out.k);
    out.scale = vector(name + ".scale", out.n);
    out.scale.resize(padded(out));
    out.sums.resize(padded(out));
    const Tensor& sums = find(name + ".sums", {out.n}, Storage::i32);
    std::memcpy(out.sums.data(), sums.data, static_cast<std::size_t>(out.n) * sizeof(std::int32_t));
    if (has(name + ".smooth")) out.smooth = vector(name + ".smooth", out.k);
    if (has(name + ".shift")) out.shift = vector(name + ".shift", out.k);
  }

  static std::size_t padded(const Linear& linear) { return rounded_up(linear.n, linear.kernel->panel); }

  static std::size_t bytes(const Linear& linear) {
    const std::size_t exact = linear.kernel->panel_bytes(linear.k) * static_cast<std::size_t>(linear.panel_count());
    return (exact + 63) / 64 * 64;
  }

  // Panels are taken in order, so workers read a memory-mapped tensor nearly from front to back.
  static void pack(const Job& job, unsigned char* out, Pool::Session& workers) {
    Linear& linear = *job.out;
    const Kernel& kernel = *linear.kernel;
    const std::size_t panel_bytes = kernel.panel_bytes(linear.k), k = static_cast<std::size_t>(linear.k);
    workers.each(linear.panel_count(), [&](int panel, Worker& worker) {
      float* rows = worker.scratch.reserve_as<float>(k * static_cast<std::size_t>(kernel.panel));
      int count = 0;
      for (int row = panel * kernel.panel; count < kernel.panel && row < linear.n; ++row, ++count) {
        const Tensor& t = *job.parts[static_cast<std::size_t>(row / job.rows_each)];
        const DType type = float_type(t.type);
        const auto* from = static_cast<const unsigned char*>(t.data) +
                           static_cast<std::size_t>(row % job.rows_each) * k * size_of(type);
        kernel.to_float(type, from, rows + k * static_cast<std::size_t>(count), k);
      }
      const std::size_t first = static_cast<std::size_t>(panel) * static_cast<std::size_t>(kernel.panel);
      kernel.pack_panel(rows, count, linear.k, out + panel_bytes * static_cast<std::size_t>(panel),
                        linear.scale.data() + first, linear.sums.data() + first);
    });
  }

  const Tensors& tensors_;
  const Kernels& kernels_;
  std::vector<Job> jobs_;
  std::vector<std::string> in_place_;
};

}  // namespace

void Table::read(const Kernel& kernel, int index, float* out) const {
  const auto row = static_cast<std::size_t>(index), columns = static_cast<std::size_t>(width);
  if (form == Form::floats) return kernel.to_float(type, data + row * columns * size_of(type), out, columns);
  const auto count = static_cast<std::size_t>(groups), group = columns / count;
  for (std::size_t g = 0; g < count; ++g) {
    float factor;
    kernel.to_float(type, scale + (row * count + g) * size_of(type), &factor, 1);
    for (std::size_t j = g * group; j < (g + 1) * group; ++j) {
      const int value = form == Form::int8 ? static_cast<std::int8_t>(data[row * columns + j])
                                           : ((data[(row * columns + j) / 2] >> (j % 2 * 4)) & 15) - 8;
      out[j] = static_cast<float>(value) * factor;
    }
  }
}

Weights load_weights(const Spec& spec, const Tensors& tensors, const Kernels& kernels, Pool::Session& workers) {
  Loader load(tensors, kernels);
  const int h = spec.hidden;
  Weights w;
  w.word = load.table("embeddings.word", spec.vocab, h);
  w.position = load.table("embeddings.position", spec.positions, h);
  w.type = load.table("embeddings.type", spec.types, h);
  w.embedding_norm = load.norm("embeddings.norm", h);
  w.layers.resize(static_cast<std::size_t>(spec.layers));
  for (int i = 0; i < spec.layers; ++i) {
    const std::string name = "layers." + std::to_string(i) + ".", attention = name + "attention.";
    Layer& layer = w.layers[static_cast<std::size_t>(i)];
    load.stacked(layer.key_value, attention + "key_value", {attention + "key", attention + "value"}, h, h,
                 kernels.main);
    load.linear(layer.query, attention + "query", h, h);
    load.linear(layer.attention_output, attention + "output", h, h);
    layer.attention_norm = load.norm(attention + "norm", h);
    load.linear(layer.up, name + "ffn.up", spec.ffn, h);
    load.linear(layer.down, name + "ffn.down", h, spec.ffn);
    layer.ffn_norm = load.norm(name + "ffn.norm", h);
  }
  // One row each: their time does not count, their rounding would go straight to the logit.
  load.linear(w.dense, "head.dense", h, h, kernels.fp32);
  load.linear(w.output, "head.output", 1, h, kernels.fp32);
  w.packed = load.pack(workers);
  w.used_in_place = load.used_in_place();
  return w;
}

}  // namespace resift
