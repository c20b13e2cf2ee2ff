// Who works on a slice: one worker alone, or all of them together.
#pragma once

#include <algorithm>

#include "kernel.h"
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

 private:
  Worker* alone_ = nullptr;
  Pool::Session* all_ = nullptr;
};

// The product that `args` describes (its panels and scratch are filled in here), split among the team.
inline void multiply(Team& team, const Kernel& kernel, const GemmArgs& args) {
  constexpr int kFewestRows = 16;
  const int panels = (args.w->n + kernel.panel - 1) / kernel.panel;
  // Every task copies its rows once, so a few tasks per worker balance the load and more only copy more.
  const int across = team.size() == 1 ? 1 : std::min(panels, 3 * team.size());
  const int down =
      across >= team.size() ? 1 : std::clamp(args.rows / kFewestRows, 1, (team.size() + across - 1) / across);
  team.each(across * down, [&](int task, Worker& worker) {
    const int i = task % across, j = task / across;
    const int first = args.rows * j / down, rows = args.rows * (j + 1) / down - first;
    GemmArgs part = args;
    part.first_panel = panels * i / across;
    part.last_panel = panels * (i + 1) / across;
    part.a = static_cast<const unsigned char*>(args.a) + first * args.lda;
    part.c += first * args.ldc;
    if (part.residual != nullptr) part.residual += first * args.ldr;
    part.rows = rows;
    part.scratch = worker.scratch.reserve(kernel.gemm_scratch(rows, args.w->k));
    kernel.gemm(part);
  });
}

}  // namespace resift
