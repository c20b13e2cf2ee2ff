#include "kernels.h"

#include <stdexcept>

#include "cpu.h"
#include "kernels/table.h"

namespace resift {

namespace {

struct Level {
  const char* name;
  std::vector<const Kernel*> kernels;  // at most one of each precision
  bool (*runs_on)(const CpuFeatures& cpu);
};

#if defined(RESIFT_X86)
bool has_avx512(const CpuFeatures& c) {
  return c.avx512f && c.avx512bw && c.avx512dq && c.avx512vl && c.fma && c.f16c;
}
bool has_avx512_bf16(const CpuFeatures& c) { return has_avx512(c) && c.avx512_vnni && c.avx512_bf16; }
bool has_amx(const CpuFeatures& c) {
#if defined(RESIFT_EMULATE_TILES)
  return has_avx512_bf16(c);
#else
  return has_avx512_bf16(c) && c.amx_tile && c.amx_int8 && c.amx_bf16 && permit_tiles();
#endif
}
#endif

// Best first.
const std::vector<Level>& levels() {
  static const std::vector<Level> table = {
#if defined(RESIFT_X86)
      {"amx", {&amx_bf16, &amx_int8}, has_amx},
      {"avx512_bf16", {&avx512_bf16_bf16, &avx512_bf16_int8}, has_avx512_bf16},
      {"avx512_vnni",
       {&avx512_vnni_int8},
       [](const CpuFeatures& c) { return has_avx512(c) && c.avx512_vnni; }},
      {"avx512", {&avx512_fp32, &avx512_bf16}, has_avx512},
      {"avx2_vnni", {&avx2_vnni_int8}, [](const CpuFeatures& c) { return c.avx2 && c.fma && c.f16c && c.avx_vnni; }},
      {"avx2", {&avx2_fp32, &avx2_bf16, &avx2_int8}, [](const CpuFeatures& c) { return c.avx2 && c.fma && c.f16c; }},
#endif
#if defined(RESIFT_ARM64)
      {"neon_dotprod", {&neon_dotprod_int8}, [](const CpuFeatures& c) { return c.neon_dotprod; }},
#endif
      {"portable", {&portable_fp32, &portable_bf16, &portable_int8}, [](const CpuFeatures&) { return true; }},
  };
  return table;
}

std::vector<const Level*> available_levels() {
  const CpuFeatures cpu = detect_cpu();
  std::vector<const Level*> found;
  for (const Level& level : levels()) {
    if (level.runs_on(cpu)) found.push_back(&level);
  }
  return found;
}

}  // namespace

std::vector<const Kernel*> available_kernels(Precision precision) {
  std::vector<const Kernel*> found;
  for (const Level* level : available_levels()) {
    for (const Kernel* kernel : level->kernels) {
      if (kernel->precision == precision) found.push_back(kernel);
    }
  }
  return found;
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Level* level : available_levels()) names.emplace_back(level->name);
  return names;
}

const Kernel& choose_kernel(Precision precision, const std::string& name) {
  bool below = name.empty();
  std::string names;
  for (const Level* level : available_levels()) {
    below = below || name == level->name;
    names += (names.empty() ? "" : ", ") + std::string(level->name);
    if (!below) continue;
    for (const Kernel* kernel : level->kernels) {
      if (kernel->precision == precision) return *kernel;
    }
  }
  throw std::invalid_argument("kernel '" + name + "' is not available on this machine: it has " + names);
}

}  // namespace resift
