// Threads that share out numbered tasks: one crew of them in a process, however many engines there are.
//
// Every engine has a Pool: its right to a turn with the crew, with at most its own number of threads. Turns are given
// first come, first served. The crew grows to the largest number asked for; threads and their memory go when the last
// Pool does. After a list of tasks members watch for the next one for some microseconds (the next product of the same
// layer is usually close behind), then sleep. A forked child finds no threads: it forms a crew of its own on first use
// and abandons what it inherited.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>

#include "buffer.h"

namespace resift {

// What one thread owns while it works: nothing in it outlives a task list.
struct Worker {
  int index = 0;
  Buffer slice;    // activations of the slice in work
  Buffer scratch;  // packed operands and attention scores of one kernel call
};

struct Crew;
using Task = std::function<void(int task, Worker& worker)>;

class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }

  // The crew for one caller: others wait until it is destroyed. Inside another session's task or scope (of any Pool)
  // there is no second turn to wait for: the calling thread then works alone, with buffers of its own.
  class Session {
   public:
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    // Run task(0..count-1), each once, on any worker; return when all are done; rethrow the first exception.
    void each(int count, const Task& task);
    // Threads that take part: fewer than asked for where the system starts no more.
    int threads() const { return threads_; }
    // At most so many from here on.
    void limit(int threads) { threads_ = std::clamp(threads, 1, threads_); }
    Worker& caller();  // the calling thread's own buffers
    // Let those who wait have their turn first. What the buffers held is lost.
    void give_way();

   private:
    friend class Pool;
    explicit Session(Pool& pool);
    void begin();
    void end();

    std::shared_ptr<Crew> crew_;     // null where the caller works alone
    std::unique_ptr<Worker> alone_;  // then its buffers
    int wanted_, threads_ = 1;
  };

  Session session() { return Session(*this); }

 private:
  std::shared_ptr<Crew> crew();

  int threads_;
  std::shared_ptr<Crew> crew_;  // under the process's lock
};

}  // namespace resift
