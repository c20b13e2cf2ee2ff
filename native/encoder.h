// A packed batch in, one logit per sequence out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "plan.h"
#include "pool.h"
#include "spec.h"
#include "weights.h"

namespace resift {

// Sequences laid end to end; the pointers stay the caller's.
struct Batch {
  const std::int32_t* ids;  // [tokens]
  std::int64_t tokens;
  const std::int64_t* offsets;  // [sequences + 1]
  std::int64_t sequences;
  const std::int32_t* types;  // [tokens], or null: all 0
};

class Encoder {
 public:
  // The tensors that `used_in_place` names must outlive the encoder; everything else is copied.
  Encoder(const Spec& spec, const Tensors& tensors, int threads, const Kernels& kernels);

  // Safe to call from several threads at once: they take turns. Throws std::invalid_argument on a malformed batch.
  void forward(const Batch& batch, float* logits, Mode mode = Mode::automatic);

  const Kernel& kernel() const { return kernel_; }
  int threads() const { return pool_.threads(); }
  const std::vector<std::string>& used_in_place() const { return weights_.used_in_place; }
  std::size_t packed_bytes() const { return weights_.packed.capacity(); }

 private:
  Spec spec_;
  const Kernel& kernel_;
  Pool pool_;
  Weights weights_;
};

}  // namespace resift
