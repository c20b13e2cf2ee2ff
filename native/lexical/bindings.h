#pragma once

#include <nanobind/nanobind.h>

namespace resift {

// Adds what resift.retrieval uses to the module.
void bind_lexical(nanobind::module_& module);

}  // namespace resift
