// Strings of labels, each kept once and known by a number, for residuals of determinization and minimization.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "fst/sequences.h"

namespace sonant {

using StringId = std::uint32_t;
inline constexpr StringId kEmptyString = 0;

// A string of one positive label is that label; longer ones are numbered from 2^31 on.
class LabelStrings {
 public:
  std::size_t length(StringId id) const { return id == kEmptyString ? 0 : id < kFirst ? 1 : at(id).size(); }
  Label label(StringId id, std::size_t i) const { return id < kFirst ? Label(id) : at(id)[i]; }
  StringId of(std::span<const Label> labels) {
    if (labels.empty()) return kEmptyString;
    if (labels.size() == 1 && labels[0] > 0) return static_cast<StringId>(labels[0]);
    return kFirst + longer_.number(labels);
  }
  StringId append(StringId id, Label label) {
    if (label == 0) return id;
    if (id == kEmptyString && label > 0) return static_cast<StringId>(label);
    copy_to(id, scratch_);
    scratch_.push_back(label);
    return of(scratch_);
  }
  StringId prepend(Label label, StringId id) {
    if (label == 0) return id;
    if (id == kEmptyString && label > 0) return static_cast<StringId>(label);
    copy_to(id, scratch_);
    scratch_.insert(scratch_.begin(), label);
    return of(scratch_);
  }
  StringId without_first(StringId id, std::size_t count) {
    if (count == 0) return id;
    copy_to(id, scratch_);
    scratch_.erase(scratch_.begin(), scratch_.begin() + std::ptrdiff_t(count));
    return of(scratch_);
  }
  StringId first(StringId id, std::size_t count) {
    if (count >= length(id)) return id;
    copy_to(id, scratch_);
    scratch_.resize(count);
    return of(scratch_);
  }
  // How many labels the two begin with in common, of the first `most`.
  std::size_t common(StringId a, StringId b, std::size_t most) const {
    if (a == b) return std::min(most, length(a));
    const std::size_t end = std::min({most, length(a), length(b)});
    std::size_t i = 0;
    while (i < end && label(a, i) == label(b, i)) ++i;
    return i;
  }
  std::size_t bytes() const { return longer_.bytes(); }

 private:
  static constexpr StringId kFirst = 0x80000000;
  std::span<const Label> at(StringId id) const { return longer_.of(id - kFirst); }
  void copy_to(StringId id, std::vector<Label>& to) const {
    to.clear();
    for (std::size_t i = 0; i < length(id); ++i) to.push_back(label(id, i));
  }
  Sequences longer_;
  std::vector<Label> scratch_;
};

}  // namespace sonant
