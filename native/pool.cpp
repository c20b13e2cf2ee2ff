#include "pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace resift {

namespace {

// Longer than the gap between two products of a layer, shorter than anything a scheduler would notice.
constexpr auto kWatch = std::chrono::microseconds(50);
// A slice of 512 tokens with 1024 hidden units needs less. Only very long sequences need more, and give it back.
constexpr std::size_t kKeptBytes = std::size_t{32} << 20;
constexpr std::size_t kLine = 64;  // bytes of a cache line: what different threads write lies apart

// Whether this thread has a turn, or is a member and so works for one who has.
thread_local bool inside = false;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

template <class Condition>
bool watch(const Condition& holds) {
  constexpr int kLooks = 32;  // between two readings of the clock: a pause is 1 to 50 nanoseconds
  std::chrono::steady_clock::time_point end{};
  for (;;) {
    for (int look = 0; look < kLooks; ++look, relax()) {
      if (holds()) return true;
    }
    const auto now = std::chrono::steady_clock::now();
    if (end.time_since_epoch().count() == 0) end = now + kWatch;
    if (now >= end) return false;
  }
}

// First come, first served: with a plain mutex, one who locks it again at once starves those who sleep.
class Turns {
 public:
  void take() {
    std::unique_lock<std::mutex> lock(mutex_);
    const std::uint64_t mine = next_++;
    called_.wait(lock, [&] { return mine == now_; });
  }
  void pass_on() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++now_;
    }
    called_.notify_all();
  }
  bool awaited() {
    std::lock_guard<std::mutex> lock(mutex_);
    return next_ - now_ > 1;
  }

 private:
  std::mutex mutex_;
  std::condition_variable called_;
  std::uint64_t next_ = 0, now_ = 0;
};

struct alignas(kLine) Member {
  Worker worker;
  std::thread thread;
  std::atomic<bool> asleep{false};
  std::mutex mutex;
  std::condition_variable wake;
};

}  // namespace

struct Crew {
  Crew() { members.push_back(std::make_unique<Member>()); }

  void enlist(std::size_t wanted);
  void dismiss();
  void run(int tasks, int threads, const Task& what);
  void trim();

  const pid_t process = getpid();
  Turns turns;
  std::vector<std::unique_ptr<Member>> members;  // under the turn; the first one stands for the caller

 private:
  void loop(Member& member);
  void sleep(Member& member, std::uint32_t seen);
  void wake(Member& member);
  void work(Worker& worker);
  void wait_until_done();

  // The list in work. Subtle: it is written between lists only, and read only by who took one of its tasks, without
  // which the list does not end. So a member that comes late finds nothing to take, or a task of the next list, and
  // nobody ever waits for one that does not come.
  const Task* task_ = nullptr;
  int count_ = 0;
  std::exception_ptr error_;  // under `mutex_`
  std::atomic<bool> failed_{false};
  std::atomic<int> most_{1};  // members that may take part
  std::atomic<bool> stopping_{false};

  alignas(kLine) std::atomic<std::uint32_t> round_{0};  // raised for each list: all that idle members look at
  alignas(kLine) std::atomic<int> left_{0};             // tasks that nobody has taken, or less than 0
  alignas(kLine) std::atomic<int> done_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::mutex mutex_;
  std::condition_variable all_done_;
};

// Where the system gives no more threads (or memory), there are fewer: the results are the same.
void Crew::enlist(std::size_t wanted) try {
  members.reserve(wanted);
  while (members.size() < wanted) {
    auto member = std::make_unique<Member>();
    member->worker.index = static_cast<int>(members.size());
    member->thread = std::thread([this, m = member.get()] { loop(*m); });
    members.push_back(std::move(member));
  }
} catch (const std::system_error&) {
} catch (const std::bad_alloc&) {
}

void Crew::dismiss() {
  stopping_ = true;
  for (const auto& member : members) wake(*member);
  for (const auto& member : members) {
    if (member->thread.joinable()) member->thread.join();
  }
}

void Crew::loop(Member& member) {
  inside = true;
  std::uint32_t seen = 0;
  while (!stopping_.load()) {
    if (round_.load() == seen) sleep(member, seen);
    seen = round_.load();
    if (member.worker.index < most_.load()) work(member.worker);
  }
}

void Crew::sleep(Member& member, std::uint32_t seen) {
  const auto news = [&] { return round_.load() != seen || stopping_.load(); };
  if (watch(news)) return;
  std::unique_lock<std::mutex> lock(member.mutex);
  // Subtle: raised before `news` is looked at again, as `run` raises the round before it reads this.
  member.asleep = true;
  member.wake.wait(lock, news);
  member.asleep = false;
}

void Crew::wake(Member& member) {
  if (!member.asleep.load()) return;
  { std::lock_guard<std::mutex> lock(member.mutex); }  // Subtle: past here it waits, or it has seen the news
  member.wake.notify_one();
}

void Crew::work(Worker& worker) {
  int mine = 0, all = 0;
  for (int left; (left = left_.fetch_sub(1)) > 0; ++mine) {
    all = count_;
    if (failed_.load()) continue;
    try {
      (*task_)(all - left, worker);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }
  if (mine > 0 && done_.fetch_add(mine) + mine == all && caller_sleeps_.load()) {
    std::lock_guard<std::mutex> lock(mutex_);
    all_done_.notify_one();
  }
}

void Crew::run(int tasks, int threads, const Task& what) {
  task_ = &what;
  count_ = tasks;
  most_ = threads;
  done_ = 0;
  left_ = tasks;
  ++round_;
  const int helpers = std::min(tasks, threads) - 1;
  for (int i = 1; i <= helpers; ++i) wake(*members[static_cast<std::size_t>(i)]);
  work(members.front()->worker);
  wait_until_done();
  failed_ = false;
  if (auto error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
}

void Crew::wait_until_done() {
  const auto complete = [&] { return done_.load() == count_; };
  if (watch(complete)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  caller_sleeps_ = true;
  all_done_.wait(lock, complete);
  caller_sleeps_ = false;
}

void Crew::trim() {
  for (const auto& member : members) {
    for (Buffer* buffer : {&member->worker.slice, &member->worker.scratch}) {
      if (buffer->capacity() > kKeptBytes) *buffer = Buffer();
    }
  }
}

namespace {

// What all engines of a process share. It is never destroyed: engines may outlive static objects.
struct Process {
  const pid_t id = getpid();
  std::mutex mutex;
  std::weak_ptr<Crew> crew;
};

Process& process() {
  static std::atomic<Process*> current{nullptr};
  Process* found = current.load();
  while (found == nullptr || found->id != getpid()) {  // at first; in a forked child, where locks may be held for ever
    auto fresh = std::make_unique<Process>();
    if (current.compare_exchange_strong(found, fresh.get())) return *fresh.release();
  }
  return *found;
}

void disband(Crew* crew) {
  if (crew->process != getpid()) return;  // a forked child: the threads are not here and the locks may be held for ever
  crew->dismiss();
  delete crew;
}

}  // namespace

Pool::Pool(int threads) : threads_(std::max(threads, 1)) { crew(); }

Pool::~Pool() = default;

std::shared_ptr<Crew> Pool::crew() {
  Process& shared = process();
  std::lock_guard<std::mutex> lock(shared.mutex);
  if (crew_ == nullptr || crew_->process != shared.id) {
    crew_ = shared.crew.lock();
    if (crew_ == nullptr) {
      crew_ = std::shared_ptr<Crew>(new Crew, disband);
      shared.crew = crew_;
    }
  }
  return crew_;
}

Pool::Session::Session(Pool& pool) : wanted_(pool.threads_) {
  if (inside) {
    alone_ = std::make_unique<Worker>();
  } else {
    crew_ = pool.crew();
    begin();
  }
}

Pool::Session::~Session() {
  if (crew_) end();
}

void Pool::Session::begin() {
  crew_->turns.take();
  crew_->enlist(static_cast<std::size_t>(wanted_));
  threads_ = std::min(wanted_, static_cast<int>(crew_->members.size()));
  inside = true;
}

void Pool::Session::end() {
  inside = false;
  crew_->trim();
  crew_->turns.pass_on();
}

void Pool::Session::give_way() {
  if (!crew_ || !crew_->turns.awaited()) return;
  end();
  begin();
}

Worker& Pool::Session::caller() { return alone_ ? *alone_ : crew_->members.front()->worker; }

void Pool::Session::each(int count, const Task& task) {
  if (count > 1 && threads_ > 1) return crew_->run(count, threads_, task);
  for (int i = 0; i < count; ++i) task(i, caller());
}

}  // namespace resift
