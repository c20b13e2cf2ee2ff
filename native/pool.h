// Threads that share out numbered tasks.
//
// One task list runs at a time; callers from other threads wait their turn. Workers spin for some microseconds after a
// list (the next product of the same layer is usually close behind), then sleep. A forked child finds no workers, so it
// starts its own on first use and abandons what it inherited.
#pragma once

#include <atomic>
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

struct PoolState;
using Task = std::function<void(int task, Worker& worker)>;

class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }

  // The pool for one caller: others wait until it is destroyed.
  class Session {
   public:
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    // Run task(0..count-1), each once, on any worker; return when all are done; rethrow the first exception.
    void each(int count, const Task& task);
    int threads() const;
    Worker& caller();  // the calling thread's own buffers

   private:
    friend class Pool;
    explicit Session(Pool& pool);
    PoolState& state_;
  };

  Session session() { return Session(*this); }

 private:
  PoolState& current();

  int threads_;
  std::atomic<PoolState*> state_;
};

}  // namespace resift
