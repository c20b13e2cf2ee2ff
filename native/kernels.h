// Which kernels this CPU can run, best first, and the choice among them.
#pragma once

#include <string>
#include <vector>

#include "kernel.h"

namespace resift {

std::vector<const Kernel*> available_kernels();

// The kernel of that name, or the best one when it is empty. Throws std::invalid_argument when this CPU (or this build)
// does not have it.
const Kernel& choose_kernel(const std::string& name);

}  // namespace resift
