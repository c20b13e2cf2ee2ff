// Tensors by name in, weights in the kernel's layout out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "buffer.h"
#include "kernel.h"
#include "pool.h"
#include "spec.h"

namespace resift {

struct Tensor {
  const void* data;
  DType type;
  std::vector<std::int64_t> shape;
};
using Tensors = std::unordered_map<std::string, Tensor>;

struct Linear {
  int n = 0, k = 0;
  const void* panels = nullptr;  // in Weights::packed
  std::vector<float> bias;

  Packed view() const { return {n, k, panels, bias.data()}; }
};

struct Norm {
  std::vector<float> weight, bias;
};

// Rows that are looked up where they lie, in the caller's (often memory-mapped) tensor.
struct Table {
  const unsigned char* data;
  DType type;
  int rows, width;

  const void* row(int index) const {
    return data + static_cast<std::size_t>(index) * static_cast<std::size_t>(width) * (type == DType::f32 ? 4 : 2);
  }
};

struct Layer {
  Linear query, key_value, attention_output, up, down;
  Norm attention_norm, ffn_norm;
};

struct Weights {
  Table word, position, type;
  Norm embedding_norm;
  std::vector<Layer> layers;
  Linear dense, output;
  Buffer packed;  // all panels in one piece, in the order of their use
};

// Copies and packs everything but the three embedding tables. Throws std::invalid_argument that names the tensor, its
// shape and the expected one.
Weights load_weights(const Spec& spec, const Tensors& tensors, const Kernel& kernel, Pool::Session& workers);

}  // namespace resift
