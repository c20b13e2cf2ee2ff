// Which kernels this CPU can run, best first, and the choice among them.
#pragma once

#include <string>
#include <vector>

#include "kernel.h"

namespace resift {

std::vector<const Kernel*> available_kernels(Precision precision);

// The instruction sets of this CPU that any kernel is for, best first.
std::vector<std::string> instruction_sets();

// The best kernel of that precision whose instruction set is not above `level`; an empty `level` sets no bound. Throws
// std::invalid_argument when this CPU (or this build) does not have the level.
const Kernel& choose_kernel(Precision precision, const std::string& level);

}  // namespace resift
