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

enum class Storage : int { f32, f16, bf16, i8, u8, i32 };

struct Tensor {
  const void* data;
  Storage type;
  std::vector<std::int64_t> shape;
};
using Tensors = std::unordered_map<std::string, Tensor>;

// A matrix for the kernel of its own precision, which may differ from that of its neighbours.
struct Linear {
  const Kernel* kernel = nullptr;
  int n = 0, k = 0;
  const void* panels = nullptr;      // in Weights::packed, or in the caller's tensor
  std::vector<float> bias, scale;    // filled up with zeros to whole panels, as `sums`
  std::vector<std::int32_t> sums;
  std::vector<float> smooth, shift;  // empty: inputs are quantised as they are

  int panel_count() const { return (n + kernel->panel - 1) / kernel->panel; }
  Packed view() const {
    return {n, k, panels, bias.data(), scale.data(), sums.data(), smooth.empty() ? nullptr : smooth.data(),
            shift.empty() ? nullptr : shift.data()};
  }
};

struct Norm {
  std::vector<float> weight, bias;
};

// Rows that are looked up where they lie, in the caller's (often memory-mapped) tensor: floats, or whole numbers of 8 or
// 4 bits with a scale for each group of columns.
struct Table {
  enum class Form { floats, int8, int4 };

  const unsigned char* data = nullptr;
  Form form = Form::floats;
  DType type = DType::f32;  // of floats, or of the scales
  int rows = 0, width = 0;
  const unsigned char* scale = nullptr;  // [rows, groups]
  int groups = 0;

  // Row `index` as `width` floats.
  void read(const Kernel& kernel, int index, float* out) const;
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
  Buffer packed;  // all panels that were packed here, in one piece, in the order of their use
  std::vector<std::string> used_in_place;  // tensors that must outlive these weights
};

// Kernels for the precisions that a model mixes.
struct Kernels {
  const Kernel& main;  // packs what is stored as plain floats
  const Kernel &fp32, &bf16, &int8;
};

// Embedding tables and panels that are stored as their kernel reads them stay where they are; all else is copied and
// packed. Throws std::invalid_argument that names the tensor, its shape and the expected one.
Weights load_weights(const Spec& spec, const Tensors& tensors, const Kernels& kernels, Pool::Session& workers);

}  // namespace resift
