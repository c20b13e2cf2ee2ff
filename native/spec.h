// The shape of an encoder: BERT, RoBERTa and XLM-RoBERTa differ in these numbers alone.
#pragma once

#include "kernel.h"

namespace resift {

struct Spec {
  int layers, hidden, heads, ffn, vocab, positions, position_offset, types;
  float norm_eps;
  Activation activation;

  int width() const { return hidden / heads; }
  int longest() const { return positions - position_offset; }
  // Throws std::invalid_argument that names the first field that makes no sense.
  void check() const;
};

}  // namespace resift
