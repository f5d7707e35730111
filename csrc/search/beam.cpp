#include "search/beam.h"

namespace sonant {

namespace {

// A total order, so that ties fall the same way every time: what stays goes first.
bool better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  const bool a_grows = a.token != Candidate::kStay, b_grows = b.token != Candidate::kStay;
  if (a_grows != b_grows) return b_grows;
  if (a.source != b.source) return a.source < b.source;
  if (a.token != b.token) return a.token < b.token;
  return a.choice < b.choice;
}

}  // namespace

Candidates::Candidates(std::int64_t beam) : beam_(static_cast<std::size_t>(beam)) {
  if (beam < 1) throw SearchError("beam: found " + std::to_string(beam) + ", expected 1 or more");
}

void Candidates::clear() {
  items_.clear();
  threshold_ = kImpossible;
}

void Candidates::push(const Candidate& candidate) {
  items_.push_back(candidate);
  if (items_.size() >= beam_ + std::max<std::size_t>(beam_, 64)) prune();
}

void Candidates::prune() {
  if (items_.size() < beam_) return;
  const auto last = items_.begin() + static_cast<std::ptrdiff_t>(beam_ - 1);
  std::nth_element(items_.begin(), last, items_.end(), better);
  threshold_ = last->score;
  items_.resize(beam_);
}

std::span<const Candidate> Candidates::best() {
  prune();
  std::sort(items_.begin(), items_.end(), better);
  return items_;
}

}  // namespace sonant
