#include "encoder.h"

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "pass.h"

namespace resift {

namespace {

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

std::string at(const char* what, std::int64_t index) { return std::string(what) + "[" + std::to_string(index) + "]"; }

void check_range(const char* what, const std::vector<std::int32_t>& values, int limit) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0 || values[i] >= limit) {
      refuse(at(what, static_cast<std::int64_t>(i)) + " is " + std::to_string(values[i]) + ", expected 0 to " +
             std::to_string(limit - 1));
    }
  }
}

// A checked copy of the batch: the caller's arrays may be written to by other threads while they are read.
struct Checked {
  Checked(const Spec& spec, const Batch& batch) {
    if (batch.sequences > std::numeric_limits<int>::max() || batch.tokens > std::numeric_limits<int>::max()) {
      refuse("a batch holds at most 2147483647 sequences and tokens");
    }
    starts.assign(batch.offsets, batch.offsets + batch.sequences + 1);
    ids.assign(batch.ids, batch.ids + batch.tokens);
    if (batch.types != nullptr) types.assign(batch.types, batch.types + batch.tokens);
    if (starts.front() != 0) refuse("offsets[0] is " + std::to_string(starts.front()) + ", expected 0");
    for (std::int64_t i = 0; i < batch.sequences; ++i) add_length(spec, i);
    if (starts.back() != batch.tokens) {
      refuse("the last offset is " + std::to_string(starts.back()) + ", but there are " + std::to_string(batch.tokens) +
             " ids");
    }
    check_range("ids", ids, spec.vocab);
    check_range("types", types, spec.types);
  }

  void add_length(const Spec& spec, std::int64_t i) {
    const std::int64_t from = starts[static_cast<std::size_t>(i)], to = starts[static_cast<std::size_t>(i) + 1];
    if (to < from) {
      refuse("offsets must not fall: " + at("offsets", i + 1) + " is " + std::to_string(to) + " after " +
             std::to_string(from));
    }
    if (to == from) refuse("sequence " + std::to_string(i) + " is empty");
    // Subtle: from >= 0 holds by induction, so the difference cannot overflow.
    if (to - from > spec.longest()) {
      refuse("sequence " + std::to_string(i) + " has " + std::to_string(to - from) +
             " tokens, the model holds at most " + std::to_string(spec.longest()));
    }
    lengths.push_back(static_cast<int>(to - from));
  }

  std::vector<std::int64_t> starts;
  std::vector<std::int32_t> ids, types;
  std::vector<int> lengths;
};

}  // namespace

Encoder::Encoder(const Spec& spec, const Tensors& tensors, int threads, const Kernels& kernels)
    : spec_((spec.check(), spec)), kernel_(kernels.main), pool_(threads) {
  auto workers = pool_.session();
  weights_ = load_weights(spec_, tensors, kernels, workers);
}

void Encoder::forward(const Batch& batch, float* logits, Mode mode) {
  if (batch.sequences < 0) refuse("offsets must have at least one element");
  const Checked checked(spec_, batch);
  if (batch.sequences == 0) return;
  const Plan plan = make_plan(checked.lengths, spec_.hidden, pool_.threads(), mode);
  const Model model{spec_, kernel_, weights_};
  const Tokens tokens{checked.ids.data(), checked.types.empty() ? nullptr : checked.types.data(),
                      checked.starts.data()};
  auto workers = pool_.session();
  if (plan.together) {
    workers.limit(plan.workers);
    for (const Slice& slice : plan.slices) {
      Team team(workers);
      run_slice(model, tokens, slice, team, workers.caller().slice, logits);
    }
  } else {
    workers.each(static_cast<int>(plan.slices.size()), [&](int i, Worker& worker) {
      Team team(worker);
      run_slice(model, tokens, plan.slices[static_cast<std::size_t>(i)], team, worker.slice, logits);
    });
  }
}

}  // namespace resift
