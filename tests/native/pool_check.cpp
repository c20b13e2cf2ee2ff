// What the pool promises, checked from C++: test_pool.py compiles this file with pool.cpp and runs the check it names.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "pool.h"

namespace {

using resift::Pool;
using resift::Worker;

void expect(bool holds, const char* what, int line) {
  if (holds) return;
  std::fprintf(stderr, "line %d: %s\n", line, what);
  std::_Exit(1);
}
#define EXPECT(...) expect((__VA_ARGS__), #__VA_ARGS__, __LINE__)

int living_threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

// A sanitizer has a thread of its own, from the first that we start.
int others() {
  static const int number = [] {
    std::thread([] {}).join();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return living_threads();
  }();
  return number;
}

// A thread that was joined may still be listed for a moment. Where the number never comes, the test's time runs out.
void await_members(int number) {
  while (living_threads() - others() != number) std::this_thread::yield();
}

// Every task of `count` once, on workers of the session; the most that were at work at the same time.
int at_once(Pool::Session& session, int count, std::atomic<int>& working) {
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
  std::atomic<int> most{0};
  session.each(count, [&](int task, Worker& worker) {
    const int now = ++working;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) continue;
    worker.scratch.reserve_as<int>(16)[0] = task;
    ++runs[static_cast<std::size_t>(task)];
    if (task % 7 == 0) std::this_thread::yield();
    EXPECT(static_cast<int*>(worker.scratch.data())[0] == task);
    --working;
  });
  EXPECT(std::all_of(runs.begin(), runs.end(), [](const auto& n) { return n == 1; }));
  return most;
}

int at_once(Pool& pool, int count, std::atomic<int>& working) {
  auto session = pool.session();
  return at_once(session, count, working);
}

void many_engines() {
  await_members(0);
  std::atomic<int> working{0};
  {
    std::vector<std::unique_ptr<Pool>> pools;
    for (const int threads : {1, 2, 4, 3}) pools.push_back(std::make_unique<Pool>(threads));
    await_members(0);  // none before there is work
    std::vector<std::thread> callers;
    for (int i = 0; i < 8; ++i) {
      callers.emplace_back([&, i] {
        for (int turn = 0; turn < 50; ++turn) {
          auto session = pools[static_cast<std::size_t>(i) % pools.size()]->session();
          for (const int count : {0, 1, 2, 5, 100}) EXPECT(at_once(session, count, working) <= 4);
        }
      });
    }
    for (auto& caller : callers) caller.join();
    await_members(3);  // the largest number, not the sum
    pools.erase(pools.begin() + 1, pools.end());
    EXPECT(at_once(*pools.front(), 50, working) == 1);
    await_members(3);
  }
  await_members(0);
  Pool again(3);
  auto session = again.session();
  at_once(session, 50, working);
  await_members(2);
  session.limit(5);
  EXPECT(session.threads() == 3);
  session.limit(0);
  EXPECT(session.threads() == 1 && at_once(session, 50, working) == 1);
}

void exceptions() {
  Pool pool(3);
  auto session = pool.session();
  for (int round = 0; round < 300; ++round) {
    std::atomic<int> ran{0};
    try {
      session.each(40, [&](int task, Worker&) {
        ++ran;
        if (task == round % 40) throw std::runtime_error("task");
      });
      EXPECT(false);
    } catch (const std::runtime_error& error) {
      EXPECT(std::strcmp(error.what(), "task") == 0);
    }
    EXPECT(ran >= 1);
    std::atomic<int> working{0};
    at_once(session, 10, working);
  }
}

// A session inside another one's scope or task works alone, at once, with other buffers.
void nested() {
  Pool pool(3), other(4);
  std::atomic<int> inner{0};
  const auto within = [&](Pool& which, const void* outer) {
    auto session = which.session();
    EXPECT(session.threads() == 1);
    session.give_way();
    session.each(5, [&](int, Worker& worker) {
      worker.slice.reserve(100);
      EXPECT(worker.slice.data() != outer);
      ++inner;
    });
  };
  for (int round = 0; round < 100; ++round) {
    auto session = pool.session();
    session.caller().slice.reserve(100);
    within(pool, session.caller().slice.data());
    session.each(6, [&](int task, Worker& worker) {
      worker.slice.reserve(100);
      within(task % 2 ? pool : other, worker.slice.data());
    });
  }
  EXPECT(inner == 100 * 5 * 7);
}

// Ends only when one who waits gets a turn.
void giving_way() {
  Pool pool(2), other(2);
  std::atomic<bool> had_turn{false};
  auto session = pool.session();
  std::thread waiting([&] {
    auto its = other.session();
    had_turn = true;
  });
  while (!had_turn) session.give_way();
  waiting.join();
  std::atomic<int> working{0};
  at_once(session, 20, working);
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void idle() {
  Pool pool(4);
  std::atomic<int> working{0};
  at_once(pool, 100, working);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  EXPECT(processor_seconds() - before < 0.1);  // one thread that looks all the time would take 1
}

void scratch_is_bounded() {
  Pool pool(2);
  const std::size_t much = std::size_t{100} << 20;
  {
    auto session = pool.session();
    session.each(2, [&](int, Worker& worker) { worker.slice.reserve(much); });
    session.caller().scratch.reserve(much);
  }
  auto session = pool.session();
  EXPECT(session.caller().scratch.capacity() == 0);
  session.each(20, [&](int, Worker& worker) { EXPECT(worker.slice.capacity() < much); });
}

void forks() {
  Pool pool(3), other(2);
  std::atomic<int> working{0};
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) at_once(pool, 20, working);
  });
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      std::atomic<int> alone{0};
      for (Pool* which : {&other, &pool}) at_once(*which, 20, alone);
      EXPECT(living_threads() == 3);  // it began with one
      std::_Exit(0);
    }
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
  }
  stop = true;
  busy.join();
}

}  // namespace

int main(int, char** arguments) {
  const struct {
    const char* name;
    void (*run)();
  } checks[] = {{"many_engines", many_engines}, {"exceptions", exceptions},
                {"nested", nested},             {"giving_way", giving_way},
                {"idle", idle},                 {"scratch_is_bounded", scratch_is_bounded},
                {"forks", forks}};
  for (const auto& check : checks) {
    if (std::strcmp(check.name, arguments[1]) == 0) {
      check.run();
      return 0;
    }
  }
  return 2;
}
