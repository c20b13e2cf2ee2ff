#include "pool.h"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

namespace resift {

namespace {

constexpr int kSpins = 2000;  // tens of microseconds: longer than the gap between two products of a layer

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// The gate is one word: generation (high half), open bit, number of workers inside. A worker enters an open list by
// raising the count in a compare-and-swap, so one that wakes late finds the list closed and nobody waits for it.
constexpr std::uint64_t kOpen = std::uint64_t{1} << 31;
constexpr std::uint64_t kInside = kOpen - 1;
std::uint64_t generation(std::uint64_t gate) { return gate >> 32; }

}  // namespace

struct PoolState {
  explicit PoolState(int threads) : owner(getpid()), workers(static_cast<std::size_t>(threads)) {
    for (int i = 0; i < threads; ++i) workers[static_cast<std::size_t>(i)].index = i;
  }

  void start();
  void stop();
  void loop(Worker& worker);
  void work(Worker& worker);
  void wait_until_empty();

  const pid_t owner;
  std::vector<Worker> workers;  // the first one belongs to the caller
  std::vector<std::thread> threads;
  std::mutex turn;  // held by the session

  // The list in work; written only while the gate is closed and empty.
  const Task* task = nullptr;
  int count = 0;
  std::atomic<int> next{0};
  std::exception_ptr error;  // under `mutex`

  std::atomic<std::uint64_t> gate{0};
  std::atomic<bool> stopping{false};
  std::atomic<int> sleepers{0};
  std::atomic<bool> caller_sleeps{false};
  std::mutex mutex;
  std::condition_variable wake, done;
};

void PoolState::start() {
  while (threads.size() + 1 < workers.size()) {
    Worker& worker = workers[threads.size() + 1];
    threads.emplace_back([this, &worker] { loop(worker); });
  }
}

void PoolState::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  wake.notify_all();
  for (auto& thread : threads) thread.join();
}

void PoolState::loop(Worker& worker) {
  std::uint64_t seen = 0;
  const auto something = [&] {
    const std::uint64_t now = gate.load();
    return stopping.load() || ((now & kOpen) && generation(now) != seen);
  };
  while (!stopping.load()) {
    for (int spin = 0; spin < kSpins && !something(); ++spin) relax();
    if (!something()) {
      std::unique_lock<std::mutex> lock(mutex);
      ++sleepers;  // Subtle: raised before `something` is looked at again, as `each` opens the gate before it reads it
      wake.wait(lock, something);
      --sleepers;
    }
    std::uint64_t now = gate.load();
    if (!(now & kOpen) || generation(now) == seen) continue;
    if (!gate.compare_exchange_strong(now, now + 1)) continue;
    seen = generation(now);
    work(worker);
    if ((gate.fetch_sub(1) & kInside) == 1 && caller_sleeps.load()) {
      std::lock_guard<std::mutex> lock(mutex);
      done.notify_one();
    }
  }
}

void PoolState::work(Worker& worker) {
  for (int i; (i = next.fetch_add(1)) < count;) {
    try {
      (*task)(i, worker);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex);
      if (!error) error = std::current_exception();
      next.store(count);
      return;
    }
  }
}

void PoolState::wait_until_empty() {
  const auto empty = [&] { return (gate.load() & kInside) == 0; };
  for (int spin = 0; spin < kSpins; ++spin) {
    if (empty()) return;
    relax();
  }
  std::unique_lock<std::mutex> lock(mutex);
  caller_sleeps = true;
  done.wait(lock, empty);
  caller_sleeps = false;
}

Pool::Pool(int threads) : threads_(threads < 1 ? 1 : threads), state_(new PoolState(threads_)) {}

Pool::~Pool() {
  PoolState* state = state_.load();
  if (state->owner != getpid()) return;  // a forked child: the threads are not here and the locks may be held for ever
  state->stop();
  delete state;
}

PoolState& Pool::current() {
  PoolState* state = state_.load();
  if (state->owner == getpid()) return *state;
  auto fresh = std::make_unique<PoolState>(threads_);
  if (state_.compare_exchange_strong(state, fresh.get())) return *fresh.release();
  return *state;  // another thread of the child was first
}

Pool::Session::Session(Pool& pool) : state_(pool.current()) {
  state_.turn.lock();
  try {
    state_.start();
  } catch (...) {
    state_.turn.unlock();
    throw;
  }
}

Pool::Session::~Session() { state_.turn.unlock(); }

int Pool::Session::threads() const { return static_cast<int>(state_.workers.size()); }

Worker& Pool::Session::caller() { return state_.workers.front(); }

void Pool::Session::each(int count, const Task& task) {
  PoolState& s = state_;
  s.task = &task;
  s.count = count;
  s.next.store(0);
  const bool shared = count > 1 && s.workers.size() > 1;
  if (shared) {
    s.gate.store(((generation(s.gate.load()) + 1) << 32) | kOpen);
    if (s.sleepers.load() > 0) {
      std::lock_guard<std::mutex> lock(s.mutex);
      s.wake.notify_all();
    }
  }
  s.work(s.workers.front());
  if (shared) {
    s.gate.fetch_and(~kOpen);
    s.wait_until_empty();
  }
  if (auto error = std::exchange(s.error, nullptr)) std::rethrow_exception(error);
}

}  // namespace resift
