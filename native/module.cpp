// The Python module resift._native.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>
#include <unordered_map>

#include "cpu.h"
#include "encoder.h"
#include "kernels.h"
#include "lexical/bindings.h"
#include "peak.h"
#include "without_lock.h"

namespace nb = nanobind;

namespace resift {

namespace {

using AnyArray = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Logits = nb::ndarray<nb::numpy, float, nb::ndim<1>>;

template <class T>
T field(const nb::dict& spec, const char* name) {
  if (!spec.contains(name)) throw std::invalid_argument("spec has no '" + std::string(name) + "'");
  T value;
  if (!nb::try_cast<T>(spec[name], value)) {
    throw std::invalid_argument("spec['" + std::string(name) + "'] has the wrong type");
  }
  return value;
}

Activation activation(const std::string& name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_tanh") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  throw std::invalid_argument("activation '" + name + "' is unknown, expected gelu, gelu_tanh or relu");
}

Spec read_spec(const nb::dict& d) {
  return {field<int>(d, "layers"),
          field<int>(d, "hidden"),
          field<int>(d, "heads"),
          field<int>(d, "ffn"),
          field<int>(d, "vocab"),
          field<int>(d, "positions"),
          field<int>(d, "position_offset"),
          field<int>(d, "types"),
          static_cast<float>(field<double>(d, "norm_eps")),
          activation(field<std::string>(d, "activation"))};
}

Storage storage_of(const std::string& name, const AnyArray& array) {
  if (array.dtype() == nb::dtype<float>()) return Storage::f32;
  if (array.dtype() == nb::dtype<std::uint16_t>()) return Storage::bf16;
  if (array.dtype() == nb::dtype<std::int8_t>()) return Storage::i8;
  if (array.dtype() == nb::dtype<std::uint8_t>()) return Storage::u8;
  if (array.dtype() == nb::dtype<std::int32_t>()) return Storage::i32;
  if (array.dtype().code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float) && array.dtype().bits == 16) {
    return Storage::f16;
  }
  throw std::invalid_argument("tensor '" + name +
                              "' must be float32, float16, uint16 (the bits of bfloat16), int8, uint8 or int32");
}

Tensor read_tensor(const std::string& name, const AnyArray& array) {
  Tensor tensor{array.data(), storage_of(name, array), {}};
  for (std::size_t i = 0; i < array.ndim(); ++i) tensor.shape.push_back(static_cast<std::int64_t>(array.shape(i)));
  return tensor;
}

Precision precision_of(const std::string& name) {
  if (name == "fp32") return Precision::fp32;
  if (name == "bf16") return Precision::bf16;
  if (name == "int8") return Precision::int8;
  throw std::invalid_argument("precision '" + name + "' is unknown, expected fp32, bf16 or int8");
}

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::fp32: return "fp32";
    case Precision::bf16: return "bf16";
    case Precision::int8: return "int8";
  }
  return "unknown";
}

Kernels kernels_of(Precision precision, const std::string& level) {
  const Kernel& main = choose_kernel(precision, level);
  return {main, choose_kernel(Precision::fp32, level), choose_kernel(Precision::bf16, level),
          choose_kernel(Precision::int8, level)};
}

Mode mode_of(const std::optional<std::string>& name) {
  if (!name) return Mode::automatic;
  if (*name == "throughput") return Mode::throughput;
  if (*name == "latency") return Mode::latency;
  throw std::invalid_argument("mode '" + *name + "' is unknown, expected throughput or latency");
}

// Holds the arrays whose memory the encoder goes on reading.
class PyEncoder {
 public:
  PyEncoder(const nb::dict& spec, const nb::dict& tensors, int threads, const std::optional<std::string>& kernel,
            const std::string& precision) {
    if (threads < 0 || threads > kMostThreads) {
      throw std::invalid_argument("threads is " + std::to_string(threads) + ", expected 0 to " +
                                  std::to_string(kMostThreads));
    }
    std::unordered_map<std::string, AnyArray> arrays;
    Tensors views;
    for (const auto& [key, value] : tensors) {
      const auto name = nb::cast<std::string>(key);
      AnyArray array;
      if (!nb::try_cast<AnyArray>(value, array, false)) {
        throw std::invalid_argument("tensor '" + name + "' must be a C-contiguous array in this machine's memory");
      }
      views.emplace(name, read_tensor(name, array));
      arrays.emplace(name, std::move(array));
    }
    const Spec shape = read_spec(spec);
    const Kernels kernels = kernels_of(precision_of(precision), kernel.value_or(""));
    {
      const WithoutLock others;
      encoder_ = std::make_unique<Encoder>(shape, views, threads > 0 ? threads : default_threads(), kernels);
    }
    for (const auto& name : encoder_->used_in_place()) in_place_.push_back(arrays.at(name));
  }

  Logits forward(const Ids& ids, const Offsets& offsets, const std::optional<Ids>& types,
                 const std::optional<std::string>& mode) {
    if (offsets.size() == 0) throw std::invalid_argument("offsets must have at least one element");
    if (types && types->size() != ids.size()) {
      throw std::invalid_argument("there are " + std::to_string(types->size()) + " types for " +
                                  std::to_string(ids.size()) + " ids");
    }
    const Batch batch{ids.data(), static_cast<std::int64_t>(ids.size()), offsets.data(),
                      static_cast<std::int64_t>(offsets.size()) - 1, types ? types->data() : nullptr};
    const Mode wanted = mode_of(mode);
    const auto n = static_cast<std::size_t>(batch.sequences);
    auto logits = std::make_unique<float[]>(n);
    {
      const WithoutLock others;
      encoder_->forward(batch, logits.get(), wanted);
    }
    float* data = logits.get();
    nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<float*>(p); });
    logits.release();
    return Logits(data, {n}, owner);
  }

  const char* precision() const { return name_of(encoder_->kernel().precision); }
  const char* kernel() const { return encoder_->kernel().name; }
  int threads() const { return encoder_->threads(); }
  std::size_t packed_bytes() const { return encoder_->packed_bytes(); }

 private:
  std::vector<AnyArray> in_place_;
  std::unique_ptr<Encoder> encoder_;
};

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "The CPU engine, and the postings of BM25.";
  nb::set_leak_warnings(false);  // threads that still run when the interpreter ends keep what they use
  nb::class_<PyEncoder>(m, "Encoder")
      .def(nb::init<const nb::dict&, const nb::dict&, int, const std::optional<std::string>&, const std::string&>(),
           nb::arg("spec"), nb::arg("tensors"), nb::kw_only(), nb::arg("threads") = 0, nb::arg("kernel") = nb::none(),
           nb::arg("precision") = "fp32")
      .def("forward", &PyEncoder::forward, nb::arg("ids").noconvert(), nb::arg("offsets").noconvert(),
           nb::arg("types").noconvert() = nb::none(), nb::kw_only(), nb::arg("mode") = nb::none())
      .def_prop_ro("kernel", &PyEncoder::kernel)
      .def_prop_ro("precision", &PyEncoder::precision)
      .def_prop_ro("threads", &PyEncoder::threads)
      .def_prop_ro("packed_bytes", &PyEncoder::packed_bytes);
  m.def("cpu_features", [] { return feature_table(detect_cpu()); });
  m.def(
      "available_kernels",
      [](const std::string& precision) {
        std::vector<std::string> names;
        for (const Kernel* kernel : available_kernels(precision_of(precision))) names.push_back(kernel->name);
        return names;
      },
      nb::arg("precision") = "fp32");
  m.def("instruction_sets", &instruction_sets);
  m.def(
      "peak",
      [](const std::string& precision, const std::optional<std::string>& kernel, int threads, double seconds) {
        const Kernel& chosen = choose_kernel(precision_of(precision), kernel.value_or(""));
        const WithoutLock others;
        return measure_peak(chosen, threads > 0 ? threads : default_threads(), seconds);
      },
      nb::arg("precision") = "fp32", nb::kw_only(), nb::arg("kernel") = nb::none(), nb::arg("threads") = 0,
      nb::arg("seconds") = 0.2);
  m.def("default_threads", &default_threads);
  m.def("physical_cores", &physical_cores, nb::arg("cpus"), nb::arg("root"));
  m.def("cgroup_cpus", &cgroup_cpus, nb::arg("membership"), nb::arg("root"));
  bind_lexical(m);
}

}  // namespace resift
