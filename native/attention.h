// Attention over packed sequences: each (sequence, head) is its own small problem, nothing is padded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel.h"
#include "spec.h"
#include "team.h"

namespace resift {

// Some queries of one sequence.
struct Segment {
  int query_row;  // of its first query, in the query and output matrices
  int queries;
  int key_row;  // of the sequence's first token, in the key and value matrix
  int length;   // tokens of the sequence
};

struct Matrix {
  float* data;
  std::size_t stride;
  bool half = false;  // bfloat16 in place of floats, rows `stride` values apart

  std::uint16_t* half_row(int index) const {
    return reinterpret_cast<std::uint16_t*>(data) + static_cast<std::size_t>(index) * stride;
  }
  float* row(int index) const { return data + static_cast<std::size_t>(index) * stride; }
};

// out = softmax(q k^T / sqrt(width)) v per head; `key_value` holds keys and values side by side.
void attend(Team& team, const Kernel& kernel, const Spec& spec, const std::vector<Segment>& segments, Matrix query,
            Matrix key_value, Matrix out);

}  // namespace resift
