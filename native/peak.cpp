#include "peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "pool.h"

namespace resift {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double rate(const Kernel& kernel, double seconds) {
  double operations = 0, best = 0;
  const auto start = Clock::now();
  for (long rounds = 1000; seconds_since(start) < seconds;) {
    const auto turn = Clock::now();
    operations = kernel.spin(rounds);
    const double took = seconds_since(turn);
    if (took < 0.001) {
      rounds *= 2;
    } else {
      best = std::max(best, operations / took);
    }
  }
  return best;
}

}  // namespace

double measure_peak(const Kernel& kernel, int threads, double seconds) {
  Pool pool(threads);
  std::vector<double> rates(static_cast<std::size_t>(threads));
  auto workers = pool.session();
  workers.each(threads, [&](int i, Worker&) { rates[static_cast<std::size_t>(i)] = rate(kernel, seconds); });
  double sum = 0;
  for (const double r : rates) sum += r;
  return sum;
}

}  // namespace resift
