#include "attention.h"

#include <algorithm>

namespace resift {

namespace {

// With fewer (sequence, head) pairs than the team can take, the queries of a sequence are shared out too.
std::vector<Segment> divided(const std::vector<Segment>& segments, int heads, int workers) {
  constexpr int kFewestQueries = 64;  // every part packs all keys and values of its head
  const int problems = static_cast<int>(segments.size()) * heads;
  if (workers == 1 || problems >= 2 * workers) return segments;
  const int wanted = (2 * workers + problems - 1) / problems;
  std::vector<Segment> parts;
  for (const Segment& s : segments) {
    const int count = std::clamp(s.queries / kFewestQueries, 1, wanted);
    for (int i = 0; i < count; ++i) {
      const int from = s.queries * i / count, to = s.queries * (i + 1) / count;
      parts.push_back({s.query_row + from, to - from, s.key_row, s.length});
    }
  }
  return parts;
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
