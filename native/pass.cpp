#include "pass.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "attention.h"

namespace resift {

namespace {

// Rows that go through attention and feed-forward at a time: bounds the memory of long sequences.
constexpr int kChunk = 256;

// An odd number of cache lines, so that equal columns of neighbouring rows fall into different cache sets.
std::size_t stride_of(int columns) { return (static_cast<std::size_t>(columns) + 15) / 16 * 16 + 16; }

class Pass {
 public:
  Pass(const Model& model, const Tokens& tokens, const Slice& slice, Team& team, Buffer& memory)
      : model_(model), tokens_(tokens), slice_(slice), team_(team) {
    starts_.reserve(slice.sequences.size() + 1);
    starts_.push_back(0);
    for (const int s : slice.sequences) {
      starts_.push_back(starts_.back() + static_cast<int>(tokens.starts[s + 1] - tokens.starts[s]));
    }
    const int h = model.spec.hidden, chunk = std::min(kChunk, slice.tokens);
    const std::size_t rows = static_cast<std::size_t>(slice.tokens), part = static_cast<std::size_t>(chunk);
    const std::size_t one = stride_of(h), two = stride_of(2 * h), inner = stride_of(model.spec.ffn);
    const std::size_t floats = rows * (one + two) + part * (3 * one + inner);
    float* at = memory.reserve_as<float>(floats + prepared_bytes(rows, part) / sizeof(float));
    const auto take = [&at](std::size_t count, std::size_t stride) {
      const Matrix m{at, stride};
      at += count * stride;
      return m;
    };
    x_ = take(rows, one);
    key_value_ = take(rows, two);
    query_ = take(part, one);
    mixed_ = take(part, one);
    sum_ = take(part, one);
    inner_ = take(part, inner);
    prepared_ = at;
  }

  void run(float* logits) {
    const auto& layers = model_.weights.layers;
    embed(layers.front().key_value);
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) run_layer(layers[i], &layers[i + 1]);
    run_layer(layers.back(), nullptr);
    head(logits);
  }

 private:
  int sequences() const { return static_cast<int>(slice_.sequences.size()); }

  void embed(const Linear& next) {
    const Weights& w = model_.weights;
    const std::size_t n = static_cast<std::size_t>(model_.spec.hidden);
    // Row r of the slice is token `place[r]` of its sequence and token `source[r]` of the batch.
    team_.each_rows(slice_.tokens, next.kernel->row_group, [&](int first, int count, Worker& worker) {
      float* part = worker.scratch.reserve_as<float>(n);
      const int last = first + count;
      std::size_t s =
          static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), first) - starts_.begin()) - 1;
      for (int r = first; r < last; ++r) {
        while (r >= starts_[s + 1]) ++s;
        const int place = r - starts_[s];
        const std::int64_t token = tokens_.starts[slice_.sequences[s]] + place;
        float* row = x_.row(r);
        const auto add = [&](const Table& table, int index) {
          table.read(model_.kernel, index, part);
          for (std::size_t j = 0; j < n; ++j) row[j] += part[j];
        };
        w.word.read(model_.kernel, tokens_.ids[token], row);
        add(w.type, tokens_.types ? tokens_.types[token] : 0);
        add(w.position, place + model_.spec.position_offset);
      }
      norm_rows(w.embedding_norm, x_, x_, first, count);
      prepare_rows(next, x_, first, count);
    });
    ready_ = &next;
  }

  // In the last layer (without a next one) only the first token of each sequence is computed: keys and values need all
  // tokens, nothing else is read.
  void run_layer(const Layer& layer, const Layer* next) {
    const bool last = next == nullptr, at_once = !last && slice_.tokens <= kChunk;
    if (at_once) {
      queries_keys_values(layer);
    } else {
      product(layer.key_value, x_, slice_.tokens, key_value_);
    }
    if (last) keep_first_tokens();
    const int rows = last ? sequences() : slice_.tokens;
    const int chunks = (rows + kChunk - 1) / kChunk;
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const int from = rows * chunk / chunks, count = rows * (chunk + 1) / chunks - from;
      const Matrix x{x_.row(from), x_.stride};
      if (!at_once) product(layer.query, x, count, query_);
      attend(team_, model_.kernel, model_.spec, segments(from, count, last), query_, key_value_, mixed_);
      product(layer.attention_output, mixed_, count, sum_, Activation::none, &x);
      norm(layer.attention_norm, sum_, x, count, &layer.up);
      const Matrix inner{inner_.data, inner_.stride, as_halves(layer.up, layer.down)};
      product(layer.up, x, count, inner, model_.spec.activation);
      product(layer.down, inner, count, sum_, Activation::none, &x);
      norm(layer.ffn_norm, sum_, x, count, at_once ? &next->key_value : nullptr);
    }
  }

  // As one list of tasks where both read the same rows.
  void queries_keys_values(const Layer& layer) {
    const Linear &one = layer.key_value, &two = layer.query;
    const Kernel &k1 = *one.kernel, &k2 = *two.kernel;
    if (k1.prepare != k2.prepare || one.smooth != two.smooth || one.shift != two.shift) {
      product(one, x_, slice_.tokens, key_value_);
      return product(two, x_, slice_.tokens, query_);
    }
    const Packed w1 = one.view(), w2 = two.view();
    make_ready(one, x_, slice_.tokens);
    multiply(team_, {{&k1, arguments(k1, w1, x_, slice_.tokens, key_value_)},
                     {&k2, arguments(k2, w2, x_, slice_.tokens, query_)}});
    ready_ = nullptr;
  }

  void keep_first_tokens() {
    const std::size_t bytes = static_cast<std::size_t>(model_.spec.hidden) * sizeof(float);
    for (int s = 1; s < sequences(); ++s) std::memcpy(x_.row(s), x_.row(starts_[static_cast<std::size_t>(s)]), bytes);
  }

  std::vector<Segment> segments(int from, int count, bool last) const {
    std::vector<Segment> out;
    for (int s = 0; s < sequences(); ++s) {
      const int start = starts_[static_cast<std::size_t>(s)], end = starts_[static_cast<std::size_t>(s) + 1];
      const int first = std::max(from, last ? s : start), stop = std::min(from + count, last ? s + 1 : end);
      if (first < stop) out.push_back({first - from, stop - first, start, end - start});
    }
    return out;
  }

  void head(float* logits) {
    for (int from = 0; from < sequences(); from += kChunk) {
      const int count = std::min(kChunk, sequences() - from);
      product(model_.weights.dense, {x_.row(from), x_.stride}, count, sum_, Activation::tanh);
      product(model_.weights.output, sum_, count, mixed_);
      for (int i = 0; i < count; ++i) logits[slice_.sequences[static_cast<std::size_t>(from + i)]] = mixed_.row(i)[0];
    }
  }

  // Room for the widest rows that any product wants: those of all tokens for keys and values, of a chunk for the rest.
  std::size_t prepared_bytes(std::size_t rows, std::size_t part) const {
    std::size_t most = 0;
    const auto consider = [&](const Linear& linear, std::size_t count) {
      const Kernel& kernel = *linear.kernel;
      if (kernel.prepare == nullptr) return;
      const auto group = static_cast<std::size_t>(kernel.row_group);
      most = std::max(most, kernel.row_bytes(linear.k) * ((count + group - 1) / group * group));
    };
    for (const Layer& layer : model_.weights.layers) {
      consider(layer.key_value, rows);
      for (const Linear* linear : {&layer.query, &layer.attention_output, &layer.up, &layer.down}) {
        consider(*linear, part);
      }
    }
    return most;
  }

  void product(const Linear& linear, Matrix in, int rows, Matrix out, Activation activation = Activation::none,
               const Matrix* residual = nullptr) {
    const Packed w = linear.view();
    make_ready(linear, in, rows);
    GemmArgs args = arguments(*linear.kernel, w, in, rows, out);
    args.activation = activation;
    if (residual != nullptr) {
      args.residual = residual->data;
      args.ldr = residual->stride;
    }
    multiply(team_, *linear.kernel, args);
    ready_ = nullptr;
  }

  GemmArgs arguments(const Kernel& kernel, const Packed& w, Matrix in, int rows, Matrix out) const {
    const bool prepared = kernel.prepare != nullptr;
    GemmArgs args{};
    args.a = prepared ? prepared_ : in.data;
    args.lda = prepared ? kernel.row_bytes(w.k) : in.stride * sizeof(float);
    args.rows = rows;
    args.w = &w;
    if (out.half) {
      args.half = out.half_row(0);
    } else {
      args.c = out.data;
    }
    args.ldc = out.stride;
    return args;
  }

  // The widest matrix there is goes from `one` to `other` as bfloat16 where both can: it is the difference between the
  // second-level cache and main memory, and less than rounding to int8 does to it.
  static bool as_halves(const Linear& one, const Linear& other) {
    return one.kernel->prepare_half != nullptr && other.kernel->prepare_half != nullptr;
  }

  // The rows of `in` as the product wants them, unless who wrote them saw to it.
  void make_ready(const Linear& linear, Matrix in, int rows) {
    if (ready_ == &linear || linear.kernel->prepare == nullptr) return;
    team_.each_rows(rows, linear.kernel->row_group,
                    [&](int first, int count, Worker&) { prepare_rows(linear, in, first, count); });
  }

  void prepare_rows(const Linear& linear, Matrix in, int first, int count) {
    const Kernel& kernel = *linear.kernel;
    if (kernel.prepare == nullptr) return;
    if (in.half) return kernel.prepare_half(in.half_row(first), in.stride, first, count, linear.view(), prepared_);
    kernel.prepare(in.row(first), in.stride, first, count, linear.view(), prepared_);
  }

  // With the product that reads the rows next, if any: they are made ready for it while they are in the cache.
  void norm(const Norm& norm, Matrix in, Matrix out, int rows, const Linear* next) {
    team_.each_rows(rows, next != nullptr ? next->kernel->row_group : 1, [&](int first, int count, Worker&) {
      norm_rows(norm, in, out, first, count);
      if (next != nullptr) prepare_rows(*next, out, first, count);
    });
    ready_ = next;
  }

  void norm_rows(const Norm& norm, Matrix in, Matrix out, int first, int count) {
    model_.kernel.layer_norm(in.row(first), in.stride, out.row(first), out.stride, count, model_.spec.hidden,
                             norm.weight.data(), norm.bias.data(), model_.spec.norm_eps);
  }

  const Model& model_;
  const Tokens& tokens_;
  const Slice& slice_;
  Team& team_;
  std::vector<int> starts_;             // rows of the slice where its sequences begin
  Matrix x_, key_value_;                // all rows
  Matrix query_, mixed_, sum_, inner_;  // one chunk
  float* prepared_ = nullptr;           // the rows of the product at hand, as its kernel reads them
  const Linear* ready_ = nullptr;       // the product for which they are there already
};

}  // namespace

void run_slice(const Model& model, const Tokens& tokens, const Slice& slice, Team& team, Buffer& memory,
               float* logits) {
  Pass(model, tokens, slice, team, memory).run(logits);
}

}  // namespace resift
