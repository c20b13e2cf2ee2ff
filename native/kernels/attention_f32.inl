// Softmax attention of one head in float32. Included by a kernel file.
//
// Keys and values are packed into panels like weights, so both products use the same tile. Scores are kept for a block
// of queries only, in the layout that the second product reads its rows from: blocks of kDepth columns with the stride
// kStride. So memory grows with the length, not with its square, and softmax can take the exact maximum.

namespace resift {
namespace {

inline int blocks_of(int n) { return (n + kDepth - 1) / kDepth; }
inline int panels_of(int n) { return (n + kPanel - 1) / kPanel; }
inline int query_block(int length) { return length > 2048 ? 2 * kRows : 4 * kRows; }

struct AttentionLayout {
  AttentionLayout(int length, int width)
      : keys(static_cast<size_t>(panels_of(length)) * kPanel * width),
        values(static_cast<size_t>(panels_of(width)) * kPanel * length),
        queries(static_cast<size_t>(query_block(length)) * kStride),
        scores(static_cast<size_t>(blocks_of(length)) * query_block(length) * kStride) {}
  size_t keys, values, queries, scores;
};

size_t attention_f32_scratch(int length, int width) {
  const AttentionLayout s(length, width);
  return sizeof(float) * (s.keys + s.values + s.queries + s.scores);
}

void pack_keys(const AttentionArgs& g, float* out) {
  for (int from = 0; from < g.length; from += kPanel, out += static_cast<size_t>(kPanel) * g.width) {
    pack_strided(g.k + from * g.ldkv, g.ldkv, smaller(kPanel, g.length - from), g.width, out);
  }
}

void pack_values(const AttentionArgs& g, float* out) {
  for (int from = 0; from < g.width; from += kPanel) {
    const int columns = smaller(kPanel, g.width - from);
    for (int t = 0; t < g.length; ++t, out += kPanel) {
      for (int v = 0; v < kVecs; ++v) {
        const int n = lanes_of(columns, v);
        vstore(out + v * kLanes, n > 0 ? vload_n(g.v + t * g.ldkv + from + v * kLanes, n) : vset(0.0f));
      }
    }
  }
}

// Replace the scores of one row by exp((s - max) * scale); return the inverse of their sum.
float softmax_row(float* row, size_t block_stride, int length, float scale) {
  Vec top = vset(-__builtin_inff());
  for (int from = 0; from < length; from += kDepth) {
    const float* s = row + from / kDepth * block_stride;
    const int columns = smaller(kDepth, length - from);
    for (int j = 0; j < columns; j += kLanes) top = vmax(top, vkeep_n(vload(s + j), smaller(kLanes, columns - j), top));
  }
  const Vec most = vset(vtop(top)), factor = vset(scale);
  Vec sum = vset(0.0f);
  for (int from = 0; from < length; from += kDepth) {
    float* s = row + from / kDepth * block_stride;
    const int columns = smaller(kDepth, length - from);
    for (int j = 0; j < columns; j += kLanes) {
      const Vec e = vexp(vmul(vsub(vload(s + j), most), factor));
      sum = vadd(sum, vkeep_n(e, smaller(kLanes, columns - j), vset(0.0f)));
      vstore(s + j, e);
    }
  }
  return 1.0f / vsum(sum);
}

void scale_row(float* row, int n, float factor) {
  for (int j = 0; j < n; j += kLanes) {
    const int m = smaller(kLanes, n - j);
    vstore_n(row + j, vmul(vload_n(row + j, m), vset(factor)), m);
  }
}

void attention_f32(const AttentionArgs& g) {
  const AttentionLayout layout(g.length, g.width);
  float* keys = static_cast<float*>(g.scratch);
  float* values = keys + layout.keys;
  float* queries = values + layout.values;
  float* scores = queries + layout.queries;
  pack_keys(g, keys);
  pack_values(g, values);
  const int step = query_block(g.length);
  const size_t block_stride = static_cast<size_t>(step) * kStride;
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(g.width));
  for (int from = 0; from < g.queries; from += step) {
    const int rows = smaller(step, g.queries - from);
    for (int d = 0; d < g.width; d += kDepth) {
      const int depth = smaller(kDepth, g.width - d);
      copy_block(g.q + from * g.ldq + d, g.ldq, rows, depth, queries);
      for (int panel = 0; panel < panels_of(g.length); ++panel) {
        const int column = panel * kPanel;
        const float* b = keys + (static_cast<size_t>(panel) * g.width + d) * kPanel;
        float* to = scores + column / kDepth * block_stride + column % kDepth;
        multiply_block(queries, rows, b, nullptr, depth, d == 0, to, kStride, kPanel);
      }
    }
    float* out = g.out + from * g.ldo;
    float inverse[4 * kRows];
    for (int r = 0; r < rows; ++r) inverse[r] = softmax_row(scores + r * kStride, block_stride, g.length, scale);
    for (int t = 0; t < g.length; t += kDepth) {
      const int depth = smaller(kDepth, g.length - t);
      for (int panel = 0; panel < panels_of(g.width); ++panel) {
        const float* b = values + (static_cast<size_t>(panel) * g.length + t) * kPanel;
        multiply_block(scores + t / kDepth * block_stride, rows, b, nullptr, depth, t == 0, out + panel * kPanel, g.ldo,
                       smaller(kPanel, g.width - panel * kPanel));
      }
    }
    for (int r = 0; r < rows; ++r) scale_row(out + r * g.ldo, g.width, inverse[r]);
  }
}

}  // namespace
}  // namespace resift
