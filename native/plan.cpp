#include "plan.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <queue>

namespace resift {

namespace {

// Enough rows to hide the reading of the weights, few enough to keep activations in the caches. A sequence is never
// cut here, so one that is longer makes a longer slice.
constexpr int kSliceTokens = 384;
constexpr int kMostSliceTokens = 512;
// Latency mode's time over an ideal division: on two cores 1.00 with 1024 hidden units, 1.04 with 384, 1.10 with 256.
constexpr double kBarrierPrice = 1.1;

// Matrix products cost 24 hidden^2 operations a token, attention 4 hidden * length.
double cost(int length, int hidden) { return length * (1.0 + length / (6.0 * hidden)); }

// Longest first, each into the slice with the least cost so far.
std::vector<Slice> fill(const std::vector<int>& lengths, int hidden, int count) {
  std::vector<int> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return lengths[a] > lengths[b]; });
  std::vector<Slice> slices(static_cast<std::size_t>(count));
  using Load = std::pair<double, int>;
  std::priority_queue<Load, std::vector<Load>, std::greater<>> least;
  for (int i = 0; i < count; ++i) least.push({0.0, i});
  for (const int sequence : order) {
    const int at = least.top().second;
    least.pop();
    Slice& slice = slices[at];
    slice.sequences.push_back(sequence);
    slice.tokens += lengths[sequence];
    slice.cost += cost(lengths[sequence], hidden);
    least.push({slice.cost, at});
  }
  std::stable_sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) { return a.cost > b.cost; });
  for (Slice& slice : slices) std::sort(slice.sequences.begin(), slice.sequences.end());
  return slices;
}

// When workers take slices from the front of the list as they become free, the last one ends at this cost.
double makespan(const std::vector<Slice>& slices, int threads) {
  std::priority_queue<double, std::vector<double>, std::greater<>> ends;
  for (int i = 0; i < threads; ++i) ends.push(0.0);
  double last = 0;
  for (const Slice& slice : slices) {
    const double end = ends.top() + slice.cost;
    ends.pop();
    ends.push(end);
    last = std::max(last, end);
  }
  return last;
}

}  // namespace

// Time in panels times rows. A panel costs some rows more than it has (its weights are read), a row some panels more
// where it is copied first. The last worker to end is late by a part of a task.
Split split_product(int rows, int panels, int workers, bool copies) {
  constexpr int kMostDown = 16, kMostRounds = 4;
  constexpr double kPanelRows = 6, kRowPanels = 0.2, kLate = 0.15;
  if (workers == 1) return {1, 1};
  const int blocks = (rows + kRowBlock - 1) / kRowBlock;
  Split best{1, 1};
  double least = std::numeric_limits<double>::infinity();
  for (int down = 1; down <= std::min(blocks, kMostDown); ++down) {
    const double height = std::min(rows, (blocks + down - 1) / down * kRowBlock);
    for (int round = 1; round <= kMostRounds; ++round) {
      const int across = std::clamp(round * workers / down, 1, panels), width = (panels + across - 1) / across;
      const int rounds = (across * down + workers - 1) / workers;
      const double task = (height + kPanelRows) * width + (copies ? height * kRowPanels : 0.0);
      if (task * (rounds + kLate) < least) {
        least = task * (rounds + kLate);
        best = {across, down};
      }
    }
  }
  return best;
}

Plan make_plan(const std::vector<int>& lengths, int hidden, int threads, Mode mode) {
  const std::int64_t tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  const auto slices = [&](std::int64_t wanted) {
    const auto most = static_cast<std::int64_t>(lengths.size());
    return fill(lengths, hidden, static_cast<int>(std::clamp<std::int64_t>(wanted, 1, most)));
  };
  if (mode != Mode::latency) {
    const std::int64_t rounds = (tokens + threads * kSliceTokens - 1) / (threads * kSliceTokens);
    Plan alone{false, slices(threads * rounds)};
    double total = 0;
    for (const Slice& slice : alone.slices) total += slice.cost;
    if (mode == Mode::throughput || makespan(alone.slices, threads) <= total / threads * kBarrierPrice) return alone;
  }
  return {true, slices((tokens + kMostSliceTokens - 1) / kMostSliceTokens)};
}

}  // namespace resift
