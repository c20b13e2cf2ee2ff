#include "kernels.h"

#include <stdexcept>

#include "cpu.h"

namespace resift {

namespace {

struct Entry {
  const Kernel* kernel;
  bool (*runs_on)(const CpuFeatures& cpu);
};

// Best first.
const Entry kTable[] = {
#if defined(RESIFT_X86)
    {&avx512_kernel,
     [](const CpuFeatures& c) { return c.avx512f && c.avx512bw && c.avx512dq && c.avx512vl && c.fma && c.f16c; }},
    {&avx2_kernel, [](const CpuFeatures& c) { return c.avx2 && c.fma && c.f16c; }},
#endif
    {&portable_kernel, [](const CpuFeatures&) { return true; }},
};

}  // namespace

std::vector<const Kernel*> available_kernels() {
  const CpuFeatures cpu = detect_cpu();
  std::vector<const Kernel*> kernels;
  for (const Entry& entry : kTable) {
    if (entry.runs_on(cpu)) kernels.push_back(entry.kernel);
  }
  return kernels;
}

const Kernel& choose_kernel(const std::string& name) {
  const auto kernels = available_kernels();
  if (name.empty()) return *kernels.front();
  std::string names;
  for (const Kernel* kernel : kernels) {
    if (name == kernel->name) return *kernel;
    names += (names.empty() ? "" : ", ") + std::string(kernel->name);
  }
  throw std::invalid_argument("kernel '" + name + "' is not available on this machine: it has " + names);
}

}  // namespace resift
