#include "weights.h"

#include <stdexcept>

namespace resift {

namespace {

using Shape = std::vector<std::int64_t>;

std::string text(const Shape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

class Loader {
 public:
  Loader(const Tensors& tensors, const Kernel& kernel) : tensors_(tensors), kernel_(kernel) {}

  Table table(const std::string& name, int rows, int width) const {
    const Tensor& t = find(name, {rows, width});
    return {static_cast<const unsigned char*>(t.data), t.type, rows, width};
  }

  Norm norm(const std::string& name, int n) const { return {vector(name + ".weight", n), vector(name + ".bias", n)}; }

  void linear(Linear& out, const std::string& name, int n, int k) { stacked(out, {name}, n, k); }

  // One product for several matrices [n, k] that share their input: their outputs side by side. `out` must stay where
  // it is until `pack`.
  void stacked(Linear& out, const std::vector<std::string>& names, int n, int k) {
    out.n = n * static_cast<int>(names.size());
    out.k = k;
    Job job{&out, n, {}};
    for (const auto& name : names) {
      job.parts.push_back(&find(name + ".weight", {n, k}));
      const auto bias = vector(name + ".bias", n);
      out.bias.insert(out.bias.end(), bias.begin(), bias.end());
    }
    jobs_.push_back(std::move(job));
  }

  // Everything has been found in its shape: now the copying.
  Buffer pack(Pool::Session& workers) const {
    std::size_t total = 0;
    for (const Job& job : jobs_) total += bytes(*job.out);
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

 private:
  struct Job {
    Linear* out;
    int rows_each;
    std::vector<const Tensor*> parts;
  };

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

  std::vector<float> vector(const std::string& name, int n) const {
    const Tensor& t = find(name, {n});
    std::vector<float> out(static_cast<std::size_t>(n));
    kernel_.to_float(t.type, t.data, out.data(), out.size());
    return out;
  }

  int panels(const Linear& linear) const { return (linear.n + kernel_.panel - 1) / kernel_.panel; }

  std::size_t bytes(const Linear& linear) const {
    const std::size_t exact = kernel_.panel_bytes(linear.k) * static_cast<std::size_t>(panels(linear));
    return (exact + 63) / 64 * 64;
  }

  // Panels are taken in order, so workers read a memory-mapped tensor nearly from front to back.
  void pack(const Job& job, unsigned char* out, Pool::Session& workers) const {
    const Linear& linear = *job.out;
    const std::size_t panel_bytes = kernel_.panel_bytes(linear.k), k = static_cast<std::size_t>(linear.k);
    workers.each(panels(linear), [&](int panel, Worker& worker) {
      float* rows = worker.scratch.reserve_as<float>(k * static_cast<std::size_t>(kernel_.panel));
      int count = 0;
      for (int row = panel * kernel_.panel; count < kernel_.panel && row < linear.n; ++row, ++count) {
        const Tensor& t = *job.parts[static_cast<std::size_t>(row / job.rows_each)];
        const Table source{static_cast<const unsigned char*>(t.data), t.type, job.rows_each, linear.k};
        kernel_.to_float(t.type, source.row(row % job.rows_each), rows + k * static_cast<std::size_t>(count), k);
      }
      kernel_.pack_panel(rows, count, linear.k, out + panel_bytes * static_cast<std::size_t>(panel));
    });
  }

  const Tensors& tensors_;
  const Kernel& kernel_;
  std::vector<Job> jobs_;
};

}  // namespace

Weights load_weights(const Spec& spec, const Tensors& tensors, const Kernel& kernel, Pool::Session& workers) {
  Loader load(tensors, kernel);
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
    load.stacked(layer.key_value, {attention + "key", attention + "value"}, h, h);
    load.linear(layer.query, attention + "query", h, h);
    load.linear(layer.attention_output, attention + "output", h, h);
    layer.attention_norm = load.norm(attention + "norm", h);
    load.linear(layer.up, name + "ffn.up", spec.ffn, h);
    load.linear(layer.down, name + "ffn.down", h, spec.ffn);
    layer.ffn_norm = load.norm(name + "ffn.norm", h);
  }
  load.linear(w.dense, "head.dense", h, h);
  load.linear(w.output, "head.output", 1, h);
  w.packed = load.pack(workers);
  return w;
}

}  // namespace resift
