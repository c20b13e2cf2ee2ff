#include "plan.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <queue>
#include <utility>

namespace resift {

namespace {

// Enough rows to hide the reading of the weights, few enough to keep activations in the caches. A sequence is never
// cut here, so one that is longer makes a longer slice.
constexpr int kSliceTokens = 384;
constexpr int kSharedTokens = 256;  // of a slice in latency mode: one chunk of rows, so the fewest barriers

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

// What a chunk of a slice costs in latency mode beyond an ideal division, in tokens: tasks that do not come out even,
// and a barrier of 0.3 us and 0.06 us for each worker after each of nine lists a layer, when a core does 600 operations
// in a nanosecond (int8; slower arithmetic makes barriers cheaper).
double sharing_price(int hidden, int workers) {
  const double barriers = 9 * (0.3 + 0.06 * workers) * 6e5 / (24.0 * hidden * hidden);
  return workers == 1 ? 0.0 : 360.0 / hidden + barriers;
}

// Time of latency mode, and the number of workers at which it is least: all of them, or halves of that.
std::pair<double, int> best_sharing(const std::vector<Slice>& slices, int hidden, int threads) {
  double total = 0, chunks = 0;
  for (const Slice& slice : slices) {
    total += slice.cost;
    chunks += (slice.tokens + kSharedTokens - 1) / kSharedTokens;
  }
  std::pair<double, int> best{std::numeric_limits<double>::infinity(), threads};
  for (int workers = threads; workers >= 1; workers /= 2) {
    const double time = total / workers + chunks * sharing_price(hidden, workers);
    if (time < best.first) best = {time, workers};
  }
  return best;
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
  const std::int64_t rounds = (tokens + threads * kSliceTokens - 1) / (threads * kSliceTokens);
  Plan alone{false, threads, slices(threads * rounds)}, together{true, threads, {}};
  if (mode == Mode::throughput) return alone;
  together.slices = slices((tokens + kSharedTokens - 1) / kSharedTokens);
  const auto [time, workers] = best_sharing(together.slices, hidden, threads);
  if (mode == Mode::automatic) {
    if (makespan(alone.slices, threads) <= time) return alone;
    together.workers = workers;
  }
  return together;
}

}  // namespace resift
