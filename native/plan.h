// How a batch is cut into slices, and whether workers take whole slices or share each one.
#pragma once

#include <cstdint>
#include <vector>

namespace resift {

enum class Mode { automatic, throughput, latency };

struct Slice {
  std::vector<int> sequences;  // indices into the batch
  int tokens = 0;
  double cost = 0;  // in tokens of a short sequence
};

struct Plan {
  bool together;              // latency mode: all workers share every product of a slice
  std::vector<Slice> slices;  // the costliest first
};

// Throughput needs no barrier, but leaves workers idle where sequences are few or uneven; latency keeps all busy at the
// price of a barrier after each product. `automatic` takes the one that should end first.
Plan make_plan(const std::vector<int>& lengths, int hidden, int threads, Mode mode);

}  // namespace resift
