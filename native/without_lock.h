// Work without the interpreter's lock.
#pragma once

#include <Python.h>
#include <unistd.h>

namespace resift {

// Other Python threads run while it lives. Subtle: when the interpreter ends, Python before 3.14 ends every thread
// that asks for the lock again by unwinding it, and std::terminate stops that. So it waits here for the process's end.
class WithoutLock {
 public:
  WithoutLock() : state_(PyEval_SaveThread()) {}
  ~WithoutLock() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) pause();
    }
  }
  WithoutLock(const WithoutLock&) = delete;
  WithoutLock& operator=(const WithoutLock&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace resift
