// Who works on a slice: one worker alone, or all of them together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <vector>

#include "kernel.h"
#include "plan.h"
#include "pool.h"

namespace resift {

class Team {
 public:
  explicit Team(Worker& alone) : alone_(&alone) {}
  explicit Team(Pool::Session& all) : all_(&all) {}

  int size() const { return all_ ? all_->threads() : 1; }

  void each(int count, const Task& task) {
    if (all_) return all_->each(count, task);
    for (int i = 0; i < count; ++i) task(i, *alone_);
  }

  // task(first, count, worker) for all rows, in blocks of whole groups that are small enough for every worker to have
  // one.
  template <class RowTask>
  void each_rows(int rows, int group, const RowTask& task) {
    constexpr int kMost = 16;
    const int fair = std::clamp((rows + size() - 1) / size(), 1, kMost), block = (fair + group - 1) / group * group;
    each((rows + block - 1) / block, [&](int i, Worker& worker) {
      task(i * block, std::min(block, rows - i * block), worker);
    });
  }

  // split_product for this team; the few shapes of a network are asked for again and again.
  Split split(int rows, int panels, bool copies) {
    if (size() == 1) return {1, 1};
    for (const Known& known : known_) {
      if (known.rows == rows && known.panels == panels && known.copies == copies) return known.split;
    }
    known_.push_back({rows, panels, copies, split_product(rows, panels, size(), copies)});
    return known_.back().split;
  }

 private:
  struct Known {
    int rows, panels;
    bool copies;
    Split split;
  };

  Worker* alone_ = nullptr;
  Pool::Session* all_ = nullptr;
  std::vector<Known> known_;
};

struct Product {
  const Kernel* kernel;
  GemmArgs args;  // panels and scratch are filled in by `multiply`
};

// Products with equal rows and different outputs, split among the team: one list of tasks, as if all their panels lay
// side by side.
inline void multiply(Team& team, std::initializer_list<Product> all) {
  const auto panels_of = [](const Product& p) { return (p.args.w->n + p.kernel->panel - 1) / p.kernel->panel; };
  const int total_rows = all.begin()->args.rows, blocks = (total_rows + kRowBlock - 1) / kRowBlock;
  int panels = 0;
  bool copies = false;  // a kernel that takes rows as they are copies them, in every task anew
  for (const Product& product : all) {
    panels += panels_of(product);
    copies = copies || product.kernel->prepare == nullptr;
  }
  const Split split = team.split(total_rows, panels, copies);
  team.each(split.across * split.down, [&](int task, Worker& worker) {
    const int i = task % split.across, j = task / split.across;
    const int row = blocks * j / split.down * kRowBlock;
    const int rows = std::min(total_rows, blocks * (j + 1) / split.down * kRowBlock) - row;
    int first = panels * i / split.across, last = panels * (i + 1) / split.across;
    for (const Product& product : all) {
      const int own = panels_of(product);
      GemmArgs part = product.args;
      part.first_panel = std::clamp(first, 0, own);
      part.last_panel = std::clamp(last, 0, own);
      first -= own;
      last -= own;
      if (part.first_panel == part.last_panel) continue;
      part.a = static_cast<const unsigned char*>(part.a) + static_cast<std::size_t>(row) * part.lda;
      if (part.half != nullptr) part.half += static_cast<std::size_t>(row) * part.ldc;
      if (part.c != nullptr) part.c += static_cast<std::size_t>(row) * part.ldc;
      if (part.residual != nullptr) part.residual += static_cast<std::size_t>(row) * part.ldr;
      part.rows = rows;
      part.scratch = worker.scratch.reserve(product.kernel->gemm_scratch(rows, part.w->k));
      product.kernel->gemm(part);
    }
  });
}

inline void multiply(Team& team, const Kernel& kernel, const GemmArgs& args) { multiply(team, {{&kernel, args}}); }

}  // namespace resift
