// Logits of an encoder and a batch from a file, one line for each kernel of each precision: for processors without
// Python at hand. test_arm.py writes the file.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "encoder.h"
#include "kernels.h"

namespace {

class Reader {
 public:
  explicit Reader(const char* path) : file_(std::fopen(path, "rb")) {
    if (file_ == nullptr) std::exit(3);
  }
  ~Reader() { std::fclose(file_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  template <class T>
  std::vector<T> many(std::int64_t count) {
    std::vector<T> out(static_cast<std::size_t>(count));
    if (std::fread(out.data(), sizeof(T), out.size(), file_) != out.size()) std::exit(4);
    return out;
  }
  std::int64_t number() { return many<std::int64_t>(1)[0]; }

 private:
  std::FILE* file_;
};

}  // namespace

int main(int, char** arguments) {
  using namespace resift;
  Reader file(arguments[1]);
  const auto shape = file.many<std::int32_t>(8);
  const float eps = file.many<float>(1)[0];
  const Spec spec{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6], shape[7], eps,
                  Activation::gelu};
  const auto offsets = file.many<std::int64_t>(file.number());
  const auto ids = file.many<std::int32_t>(offsets.back());
  const auto types = file.many<std::int32_t>(offsets.back());
  const std::int64_t count = file.number();
  std::vector<std::vector<float>> values;
  Tensors tensors;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto letters = file.many<char>(file.number());
    const auto sizes = file.many<std::int64_t>(file.number());
    std::int64_t all = 1;
    for (const auto size : sizes) all *= size;
    values.push_back(file.many<float>(all));
    tensors[std::string(letters.begin(), letters.end())] = {values.back().data(), Storage::f32, sizes};
  }
  const char* const names[] = {"fp32", "bf16", "int8"};
  const Precision precisions[] = {Precision::fp32, Precision::bf16, Precision::int8};
  for (int p = 0; p < 3; ++p) {
    for (const Kernel* kernel : available_kernels(precisions[p])) {
      const std::string level = kernel->name;
      const Kernels kernels{*kernel, choose_kernel(Precision::fp32, level), choose_kernel(Precision::bf16, level),
                            choose_kernel(Precision::int8, level)};
      Encoder encoder(spec, tensors, 2, kernels);
      const auto sequences = static_cast<std::int64_t>(offsets.size()) - 1;
      const Batch batch{ids.data(), offsets.back(), offsets.data(), sequences, types.data()};
      std::vector<float> logits(offsets.size() - 1);
      for (const Mode mode : {Mode::throughput, Mode::latency}) {
        encoder.forward(batch, logits.data(), mode);
        std::printf("%s %s", names[p], kernel->name);
        for (const float x : logits) std::printf(" %a", static_cast<double>(x));
        std::printf("\n");
      }
    }
  }
}
