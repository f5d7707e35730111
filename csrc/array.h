// A vector of plain data whose memory grows where it lies: a large one is never there twice, and what has not been
// filled yet takes none (csrc/array.cpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <type_traits>
#include <utility>

namespace sonant {

// `old_bytes` of memory at `old` (null: none) become `new_bytes` (0: none), and what fits stays. Throws std::bad_alloc.
void* resized_memory(void* old, std::size_t old_bytes, std::size_t new_bytes);

template <class T>
class Array {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  Array() = default;
  explicit Array(std::size_t count, const T& value = T()) { resize(count, value); }
  Array(std::initializer_list<T> values) { assign(values.begin(), values.end()); }
  Array(const Array& other) { assign(other.begin(), other.end()); }
  Array(Array&& other) noexcept { swap(other); }
  Array& operator=(Array other) noexcept {
    swap(other);
    return *this;
  }
  ~Array() { resized_memory(items_, capacity_ * sizeof(T), 0); }
  void swap(Array& other) noexcept {
    std::swap(items_, other.items_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  T* data() { return items_; }
  const T* data() const { return items_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return items_; }
  T* end() { return items_ + size_; }
  const T* begin() const { return items_; }
  const T* end() const { return items_ + size_; }
  T& operator[](std::size_t i) { return items_[i]; }
  const T& operator[](std::size_t i) const { return items_[i]; }
  T& back() { return items_[size_ - 1]; }
  const T& back() const { return items_[size_ - 1]; }

  void reserve(std::size_t count) {
    if (count <= capacity_) return;
    items_ = static_cast<T*>(resized_memory(items_, capacity_ * sizeof(T), count * sizeof(T)));
    capacity_ = count;
  }
  void push_back(const T& value) {
    if (size_ == capacity_) {
      const T kept = value;  // it may be one of ours
      grow(size_ + 1);
      new (items_ + size_++) T(kept);
      return;
    }
    new (items_ + size_++) T(value);
  }
  void pop_back() { --size_; }
  void clear() { size_ = 0; }
  void resize(std::size_t count, const T& value = T()) {
    if (count > size_) {
      const T kept = value;
      grow(count);
      std::fill(items_ + size_, items_ + count, kept);
    }
    size_ = count;
  }
  // What is new is not filled.
  void resize_for_overwrite(std::size_t count) {
    grow(count);
    size_ = count;
  }
  void assign(std::size_t count, const T& value) {
    clear();
    resize(count, value);
  }
  template <std::input_iterator From>
  void assign(From first, From last) {
    clear();
    append(first, last);
  }
  template <std::input_iterator From>
  void append(From first, From last) {
    const auto count = static_cast<std::size_t>(std::distance(first, last));
    grow(size_ + count);
    std::copy(first, last, items_ + size_);
    size_ += count;
  }

 private:
  void grow(std::size_t count) {
    if (count > capacity_) reserve(std::max(count, 2 * capacity_));
  }

  T* items_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace sonant
