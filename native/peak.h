// How fast this machine multiplies and adds with a kernel's instructions, from registers.
#pragma once

#include "kernel.h"

namespace resift {

// Operations per second of `threads` threads together, measured for about `seconds`.
double measure_peak(const Kernel& kernel, int threads, double seconds);

}  // namespace resift
