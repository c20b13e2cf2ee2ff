#include "spec.h"

#include <stdexcept>
#include <string>

namespace resift {

namespace {

constexpr int kMostLayers = 1 << 10;
constexpr int kLargest = 1 << 24;  // keeps every product of two sizes far from overflow

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

void positive(const char* name, int value, int most = kLargest) {
  if (value < 1 || value > most) {
    refuse(std::string(name) + " is " + std::to_string(value) + ", expected 1 to " + std::to_string(most));
  }
}

}  // namespace

void Spec::check() const {
  positive("layers", layers, kMostLayers);
  positive("hidden", hidden);
  positive("heads", heads);
  positive("ffn", ffn);
  positive("vocab", vocab);
  positive("positions", positions);
  positive("types", types);
  if (hidden % heads != 0) {
    refuse(std::to_string(heads) + " heads do not divide a hidden size of " + std::to_string(hidden));
  }
  if (position_offset < 0 || position_offset >= positions) {
    refuse("position_offset is " + std::to_string(position_offset) + ", expected 0 to " +
           std::to_string(positions - 1));
  }
  if (!(norm_eps >= 0.0f && norm_eps < 1.0f)) refuse("norm_eps must be between 0 and 1");
}

}  // namespace resift
