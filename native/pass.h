// The network itself: one slice of a batch through all layers.
#pragma once

#include <cstdint>

#include "plan.h"
#include "team.h"
#include "weights.h"

namespace resift {

struct Model {
  const Spec& spec;
  const Kernel& kernel;  // norms, attention and embeddings; every product brings its own
  const Weights& weights;
};

// The whole batch, checked: every id, type and length is in range.
struct Tokens {
  const std::int32_t* ids;
  const std::int32_t* types;  // or null: all 0
  const std::int64_t* starts;
};

// Writes logits[i] for every sequence i of the slice. `memory` holds the activations.
void run_slice(const Model& model, const Tokens& tokens, const Slice& slice, Team& team, Buffer& memory, float* logits);

}  // namespace resift
