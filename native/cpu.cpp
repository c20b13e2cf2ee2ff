#include "cpu.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace resift {

namespace {

#if defined(__x86_64__)
bool bit(unsigned word, int index) { return (word >> index) & 1u; }

std::uint64_t enabled_state() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}
#endif

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<double> positive_ratio(const std::string& quota, const std::string& period) {
  try {
    const double q = std::stod(quota), p = std::stod(period);
    if (q > 0 && p > 0) return q / p;
  } catch (const std::exception&) {  // "max", "-1", an empty or missing file: no limit
  }
  return std::nullopt;
}

std::optional<double> group_limit(const std::string& folder, bool version2) {
  if (!version2) {
    return positive_ratio(first_line(folder + "/cpu.cfs_quota_us"), first_line(folder + "/cpu.cfs_period_us"));
  }
  std::istringstream words(first_line(folder + "/cpu.max"));
  std::string quota, period;
  words >> quota >> period;
  return positive_ratio(quota, period);
}

// The tightest limit of a group and of all groups above it.
std::optional<double> tightest(const std::string& mount, std::string group, bool version2) {
  std::optional<double> least;
  for (;;) {
    const auto limit = group_limit(mount + group, version2);
    if (limit && (!least || *limit < *least)) least = limit;
    const auto slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

#if defined(__linux__)
// The CPUs that this process may run on; empty when the system does not say.
std::vector<int> affinity() {
  constexpr int kMostCpus = 1 << 16;
  for (int cpus = CPU_SETSIZE; cpus <= kMostCpus; cpus *= 2) {  // the call fails while the mask has not room for all
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> mask(CPU_ALLOC(cpus), [](cpu_set_t* m) { CPU_FREE(m); });
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(bytes, mask.get());
    if (sched_getaffinity(0, bytes, mask.get()) != 0) continue;
    std::vector<int> out;
    for (int cpu = 0; cpu < cpus; ++cpu) {
      if (CPU_ISSET_S(cpu, bytes, mask.get())) out.push_back(cpu);
    }
    return out;
  }
  return {};
}

std::string whole_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
#endif

}  // namespace

CpuFeatures detect_cpu() {
  CpuFeatures f;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, 27)) return f;  // 27: the OS saves extended registers
  const std::uint64_t state = enabled_state();
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6, tiles = (state & 0x60000) == 0x60000;
  f.fma = ymm && bit(c, 12);
  f.f16c = ymm && bit(c, 29);
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
  const unsigned subleaves = a;
  f.avx2 = ymm && bit(b, 5);
  f.avx512f = zmm && bit(b, 16);
  f.avx512dq = zmm && bit(b, 17);
  f.avx512bw = zmm && bit(b, 30);
  f.avx512vl = zmm && bit(b, 31);
  f.avx512_vnni = zmm && bit(c, 11);
  f.avx512_fp16 = zmm && bit(d, 23);
  f.amx_bf16 = tiles && bit(d, 22);
  f.amx_tile = tiles && bit(d, 24);
  f.amx_int8 = tiles && bit(d, 25);
  if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    f.avx_vnni = ymm && bit(a, 4);
    f.avx512_bf16 = zmm && bit(a, 5);
  }
#elif defined(__aarch64__)
  f.neon = true;
#if defined(__linux__)
  f.neon_dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
  int has = 0;
  std::size_t bytes = sizeof has;
  f.neon_dotprod = sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &bytes, nullptr, 0) == 0 && has != 0;
#endif
#endif
  return f;
}

bool permit_tiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM; the number of the tiles' state
  static const bool granted = syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}

std::map<std::string, bool> feature_table(const CpuFeatures& f) {
  return {{"f16c", f.f16c},
          {"fma", f.fma},
          {"avx2", f.avx2},
          {"avx_vnni", f.avx_vnni},
          {"avx512f", f.avx512f},
          {"avx512bw", f.avx512bw},
          {"avx512dq", f.avx512dq},
          {"avx512vl", f.avx512vl},
          {"avx512_vnni", f.avx512_vnni},
          {"avx512_bf16", f.avx512_bf16},
          {"avx512_fp16", f.avx512_fp16},
          {"amx_tile", f.amx_tile},
          {"amx_int8", f.amx_int8},
          {"amx_bf16", f.amx_bf16},
          {"neon", f.neon},
          {"neon_dotprod", f.neon_dotprod}};
}

std::optional<double> cgroup_cpus(const std::string& membership, const std::string& root) {
  std::optional<double> least;
  const auto consider = [&](const std::optional<double>& limit) {
    if (limit && (!least || *limit < *least)) least = limit;
  };
  std::istringstream lines(membership);
  std::string line;
  while (std::getline(lines, line)) {  // "hierarchy:controllers:/group"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string controllers = ",";
    controllers.append(line, first + 1, second - first - 1).push_back(',');
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    if (controllers == ",,") {
      consider(tightest(root, group, true));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      consider(tightest(root + "/cpu", group, false));
      consider(tightest(root + "/cpu,cpuacct", group, false));
    }
  }
  return least;
}

int physical_cores(const std::vector<int>& cpus, const std::string& root) {
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    const auto name = std::to_string(cpu);
    const auto siblings = first_line(root + "/cpu" + name + "/topology/thread_siblings_list");
    cores.insert(siblings.empty() ? name : siblings);
  }
  return static_cast<int>(cores.size());
}

int default_threads() {
  int threads = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  if (const auto cpus = affinity(); !cpus.empty()) threads = physical_cores(cpus, "/sys/devices/system/cpu");
  if (const auto limit = cgroup_cpus(whole_file("/proc/self/cgroup"), "/sys/fs/cgroup")) {
    threads = std::min(threads, static_cast<int>(std::ceil(std::min(*limit, 1e6))));
  }
#endif
  return std::clamp(threads, 1, kMostThreads);
}

}  // namespace resift
