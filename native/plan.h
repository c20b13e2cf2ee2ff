// How work is cut: a batch into slices, which workers take whole or share, and a shared product into parts.
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
  bool together;              // latency mode: workers share every product of a slice
  int workers;                // that should take part: a crowd has no use where a product takes microseconds
  std::vector<Slice> slices;  // the costliest first
};

// Throughput needs no barrier, but leaves workers idle where sequences are few or uneven; latency keeps all busy at the
// price of a barrier after each list of tasks. `automatic` takes the one that should end first.
Plan make_plan(const std::vector<int>& lengths, int hidden, int threads, Mode mode);

constexpr int kRowBlock = 16;  // a multiple of every Kernel::row_group

// A product cut into `across` parts of its panels times `down` parts of its rows.
struct Split {
  int across, down;
};

// The parts that `workers` should end first with: a few for each, as many as divide evenly. Rows are cut at multiples
// of kRowBlock. `copies` says that a part copies its rows before it starts.
Split split_product(int rows, int panels, int workers, bool copies);

}  // namespace resift
