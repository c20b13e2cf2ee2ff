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
  Loader(const Tensors& tensors, const Kernel& kernel, Pool::Session& workers)
      : tensors_(tensors), kernel_(kernel), workers_(workers) {}

  Table table(const std::string& name, int rows, int width) const {
    const Tensor& t = find(name, {rows, width});
    return {static_cast<const unsigned char*>(t.data), t.type, rows, width};
  }

  Norm norm(const std::string& name, int n) const { return {vector(name + ".weight", n), vector(name + ".bias", n)}; }

  Linear linear(const std::string& name, int n, int k) const { return stacked({name}, n, k); }

  // One product for several matrices [n, k] that share their input: their outputs side by side.
  Linear stacked(const std::vector<std::string>& names, int n, int k) const {
    Linear out;
    out.n = n * static_cast<int>(names.size());
    out.k = k;
    std::vector<const Tensor*> parts;
    for (const auto& name : names) {
      parts.push_back(&find(name + ".weight", {n, k}));
      const auto bias = vector(name + ".bias", n);
      out.bias.insert(out.bias.end(), bias.begin(), bias.end());
    }
    pack(parts, n, out);
    return out;
  }

 private:
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

  // Panels are taken in order, so workers read a memory-mapped tensor nearly from front to back.
  void pack(const std::vector<const Tensor*>& parts, int rows_each, Linear& out) const {
    const int panels = (out.n + kernel_.panel - 1) / kernel_.panel;
    const std::size_t bytes = kernel_.panel_bytes(out.k), k = static_cast<std::size_t>(out.k);
    auto* packed = static_cast<unsigned char*>(out.panels.reserve(bytes * static_cast<std::size_t>(panels)));
    workers_.each(panels, [&](int panel, Worker& worker) {
      float* rows = worker.scratch.reserve_as<float>(k * static_cast<std::size_t>(kernel_.panel));
      int count = 0;
      for (int row = panel * kernel_.panel; count < kernel_.panel && row < out.n; ++row, ++count) {
        const Tensor& t = *parts[static_cast<std::size_t>(row / rows_each)];
        const Table source{static_cast<const unsigned char*>(t.data), t.type, rows_each, out.k};
        kernel_.to_float(t.type, source.row(row % rows_each), rows + k * static_cast<std::size_t>(count), k);
      }
      kernel_.pack_panel(rows, count, out.k, packed + bytes * static_cast<std::size_t>(panel));
    });
  }

  const Tensors& tensors_;
  const Kernel& kernel_;
  Pool::Session& workers_;
};

}  // namespace

Weights load_weights(const Spec& spec, const Tensors& tensors, const Kernel& kernel, Pool::Session& workers) {
  const Loader load(tensors, kernel, workers);
  const int h = spec.hidden;
  Weights w;
  w.word = load.table("embeddings.word", spec.vocab, h);
  w.position = load.table("embeddings.position", spec.positions, h);
  w.type = load.table("embeddings.type", spec.types, h);
  w.embedding_norm = load.norm("embeddings.norm", h);
  for (int i = 0; i < spec.layers; ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".", attention = layer + "attention.";
    Layer l;
    l.query = load.linear(attention + "query", h, h);
    l.key_value = load.stacked({attention + "key", attention + "value"}, h, h);
    l.attention_output = load.linear(attention + "output", h, h);
    l.attention_norm = load.norm(attention + "norm", h);
    l.up = load.linear(layer + "ffn.up", spec.ffn, h);
    l.down = load.linear(layer + "ffn.down", h, spec.ffn);
    l.ffn_norm = load.norm(layer + "ffn.norm", h);
    w.layers.push_back(std::move(l));
  }
  w.dense = load.linear("head.dense", h, h);
  w.output = load.linear("head.output", 1, h);
  return w;
}

std::size_t Weights::packed_bytes() const {
  std::size_t bytes = dense.panels.capacity() + output.panels.capacity();
  for (const Layer& l : layers) {
    for (const Linear* m : {&l.query, &l.key_value, &l.attention_output, &l.up, &l.down}) bytes += m->panels.capacity();
  }
  return bytes;
}

}  // namespace resift
