#include "attention.h"

#include <algorithm>
#include <limits>

namespace resift {

namespace {

// With few (sequence, head) pairs for each worker, the queries of a sequence are shared out too: in as many parts as
// should end first. Time in queries; a part first packs the keys and values of its head.
std::vector<Segment> divided(const std::vector<Segment>& segments, int heads, int workers) {
  constexpr int kPacking = 14, kMostParts = 16;
  const int problems = static_cast<int>(segments.size()) * heads;
  if (workers == 1 || problems >= 4 * workers) return segments;
  int best = 1;
  double least = std::numeric_limits<double>::infinity();
  for (int wanted = 1; wanted <= kMostParts; ++wanted) {
    double total = 0, longest = 0;
    int tasks = 0;
    for (const Segment& s : segments) {
      const int blocks = (s.queries + kRowBlock - 1) / kRowBlock, parts = std::min(wanted, blocks);
      const double work = s.length, part = work * ((blocks + parts - 1) / parts * kRowBlock + kPacking);
      total += work * (s.queries + parts * kPacking) * heads;
      longest = std::max(longest, part);
      tasks += parts * heads;
    }
    const double rounds = (tasks + workers - 1) / workers, ends = std::max(longest, rounds * total / tasks);
    if (ends < least) {
      least = ends;
      best = wanted;
    }
  }
  std::vector<Segment> out;
  for (const Segment& s : segments) {
    const int blocks = (s.queries + kRowBlock - 1) / kRowBlock, parts = std::min(best, blocks);
    for (int i = 0; i < parts; ++i) {
      const int from = blocks * i / parts * kRowBlock, to = std::min(s.queries, blocks * (i + 1) / parts * kRowBlock);
      out.push_back({s.query_row + from, to - from, s.key_row, s.length});
    }
  }
  return out;
}

}  // namespace

void attend(Team& team, const Kernel& kernel, const Spec& spec, const std::vector<Segment>& segments, Matrix query,
            Matrix key_value, Matrix out) {
  const int heads = spec.heads, width = spec.width();
  const auto parts = divided(segments, heads, team.size());
  team.each(static_cast<int>(parts.size()) * heads, [&](int task, Worker& worker) {
    const Segment& s = parts[static_cast<std::size_t>(task / heads)];
    const int column = task % heads * width;
    AttentionArgs args;
    args.q = query.row(s.query_row) + column;
    args.ldq = query.stride;
    args.queries = s.queries;
    args.k = key_value.row(s.key_row) + column;
    args.v = args.k + spec.hidden;
    args.ldkv = key_value.stride;
    args.length = s.length;
    args.width = width;
    args.out = out.row(s.query_row) + column;
    args.ldo = out.stride;
    args.scratch = worker.scratch.reserve(kernel.attention_scratch(s.length, width));
    kernel.attention(args);
  });
}

}  // namespace resift
