// Aligned memory for weights and scratch, on huge pages where the system has them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace resift {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes) { reserve(bytes); }
  ~Buffer() { std::free(data_); }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }

  // At least `bytes` of memory. What it held before is lost when it has to grow.
  void* reserve(std::size_t bytes) {
    if (bytes <= capacity_) return data_;
    std::free(data_);
    data_ = nullptr;
    capacity_ = 0;
    // Weight panels and activation rows are walked with strides of kilobytes: with 4 KB pages every row costs a
    // TLB entry, with 2 MB pages a whole layer needs a handful.
    const std::size_t alignment = bytes >= kHuge ? kHuge : 64;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    if (rounded < bytes) throw std::bad_alloc();
    data_ = std::aligned_alloc(alignment, rounded);
    if (data_ == nullptr) throw std::bad_alloc();
    capacity_ = rounded;
#if defined(__linux__)
    if (alignment == kHuge) madvise(data_, rounded, MADV_HUGEPAGE);
#endif
    return data_;
  }

  template <class T>
  T* reserve_as(std::size_t count) {
    return static_cast<T*>(reserve(count * sizeof(T)));
  }

  const void* data() const { return data_; }
  void* data() { return data_; }
  std::size_t capacity() const { return capacity_; }

 private:
  static constexpr std::size_t kHuge = std::size_t{2} << 20;
  void* data_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace resift
