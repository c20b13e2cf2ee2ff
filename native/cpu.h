// What this machine can do: instruction sets that CPU and operating system both support, and how many threads may run.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace resift {

struct CpuFeatures {
  bool f16c = false, fma = false, avx2 = false, avx_vnni = false;
  bool avx512f = false, avx512bw = false, avx512dq = false, avx512vl = false;
  bool avx512_vnni = false, avx512_bf16 = false, avx512_fp16 = false;
  bool amx_tile = false, amx_int8 = false, amx_bf16 = false;
  bool neon = false, neon_dotprod = false;
};

CpuFeatures detect_cpu();

// Ask the system, once for this process, to let it use tile registers (AMX): Linux saves their 8 KB for those threads
// only that use them. False where it does not know the question or declines it.
bool permit_tiles();

std::map<std::string, bool> feature_table(const CpuFeatures& features);

// CPUs granted by the control groups of this process (versions 1 and 2), or nothing when there is no limit.
// `membership` is the text of /proc/self/cgroup, `root` is where the hierarchies are mounted (/sys/fs/cgroup).
std::optional<double> cgroup_cpus(const std::string& membership, const std::string& root);

// Cores among those CPUs: two hardware threads of a core share its multipliers, so it counts once. `root` is where the
// system describes its CPUs (/sys/devices/system/cpu); one that it does not describe counts as a core.
int physical_cores(const std::vector<int>& cpus, const std::string& root);

constexpr int kMostThreads = 1024;

// Physical cores in the affinity mask of this process, at most the control groups' quota; 1 to kMostThreads.
int default_threads();

}  // namespace resift
