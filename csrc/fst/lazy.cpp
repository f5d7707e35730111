#include "fst/lazy.h"

#include <algorithm>
#include <cstring>

#include "fst/builder.h"
#include "fst/compose_step.h"
#include "fst/ngram_matcher.h"

namespace sonant {

template <class W>
LazyFst<W>::LazyFst(std::unique_ptr<StateSource<W>> source, const LazyOptions& options)
    : source_(std::move(source)), start_(source_->start()), max_bytes_(options.max_bytes) {
  if (max_bytes_ < kLeastCache) {
    fst_error("lazy composition: a cache of ", max_bytes_, " bytes; expected at least ", kLeastCache);
  }
  block_arcs_ = std::min<std::uint64_t>(max_bytes_ / 16, 1 << 20) / sizeof(Arc<W>);
  for (const Label label : options.remove) {
    if (label < 0 || label > (1 << 28)) fst_error("lazy composition: the input label ", label, " cannot be removed");
    if (std::size_t(label) >= removed_.size()) removed_.resize(std::size_t(label) + 1);
    removed_[std::size_t(label)] = true;
  }
}

template <class W>
std::span<const Arc<W>> LazyFst<W>::make(StateId s) {
  if (s < 0 || static_cast<std::size_t>(s) >= source_->known()) {
    fst_error<FstIndexError>("state ", s, " is not known; ", source_->known(), " states of the lazy composition are");
  }
  scratch_.clear();
  source_->expand(s, scratch_);
  if (slots_.size() < source_->known()) slots_.resize(std::max(source_->known(), 2 * slots_.size()));
  std::uint32_t epsilons = 0;
  for (Arc<W>& arc : scratch_) {
    const auto label = static_cast<std::size_t>(arc.ilabel);
    if (label < removed_.size() && removed_[label]) arc.ilabel = 0;
    epsilons += arc.ilabel == 0;
  }
  slots_[s].iepsilons = epsilons;
  if (scratch_.size() * sizeof(Arc<W>) > max_bytes_) {
    fst_error("lazy composition: state ", s, " has ", scratch_.size(), " arcs of ", sizeof(Arc<W>),
              " bytes, more than the cache of ", max_bytes_, " bytes holds; raise max_bytes");
  }
  make_room(scratch_.size());
  put(s, scratch_);
  return {slots_[s].arcs, slots_[s].count};
}

template <class W>
void LazyFst<W>::put(StateId s, std::span<const Arc<W>> arcs) {
  Block& block = blocks_.back();
  Arc<W>* to = block.arcs.get() + block.used;
  if (!arcs.empty()) std::memcpy(to, arcs.data(), arcs.size_bytes());
  block.used += arcs.size();
  block.states.push_back(s);
  Slot& slot = slots_[s];
  slot.arcs = to;
  slot.count = static_cast<std::uint32_t>(arcs.size());
  slot.block = first_ + static_cast<std::uint32_t>(blocks_.size() - 1);
}

// Room for so many arcs in the last block.
template <class W>
void LazyFst<W>::make_room(std::size_t arcs) {
  if (!blocks_.empty() && blocks_.back().room - blocks_.back().used >= arcs &&
      blocks_.back().states.size() < 8 * block_arcs_) {  // states without arcs take no room, but are not free
    return;
  }
  const std::size_t room = std::max(arcs, block_arcs_);
  std::vector<Block> old;
  while (!blocks_.empty() && bytes_ + room * sizeof(Arc<W>) > max_bytes_) {
    old.push_back(std::move(blocks_.front()));
    blocks_.pop_front();
    bytes_ -= old.back().room * sizeof(Arc<W>);
    for (const StateId s : old.back().states) {
      if (slots_[s].block == first_) slots_[s].block = kNone;
    }
    ++first_;
  }
  blocks_.push_back({std::make_unique_for_overwrite<Arc<W>[]>(room), room, 0, {}});
  bytes_ += room * sizeof(Arc<W>);
  // Half of what is free is for those that were asked for since they were put there.
  std::size_t spare = (room - arcs) / 2;
  for (const Block& block : old) {
    for (const StateId s : block.states) {
      Slot& slot = slots_[s];
      if (slot.block != kNone || !slot.recent) continue;
      slot.recent = false;
      if (slot.count > spare) continue;
      spare -= slot.count;
      put(s, {slot.arcs, slot.count});
    }
  }
}

namespace {

template <class W, class Step>
class Composed final : public StateSource<W> {
 public:
  Composed(const Fst<W>& left, RightSide<W> right, Step step)
      : left_(left), right_(std::move(right)), step_(std::move(step)), start_(step_.start()) {}
  StateId start() override { return start_; }
  std::size_t known() const override { return step_.size(); }
  W final(StateId s) override { return step_.final(static_cast<std::size_t>(s)); }
  void expand(StateId s, Array<Arc<W>>& arcs) override {
    step_.expand(static_cast<std::size_t>(s), arcs);
    step_.work().made(step_.size(), arcs.size());
  }

 private:
  Fst<W> left_;
  RightSide<W> right_;
  Step step_;
  StateId start_;
};

}  // namespace

template <class W>
LazyFst<W> compose_lazily(const Fst<W>& left, const RightSide<W>& right, const ComposeOptions& compose,
                          const LazyOptions& options) {
  const ComposeSides sides = check_compose(left, right.ngram ? nullptr : &right.fst, compose);
  const auto with = [&]<class Filter, Special special>() {
    const auto lazy = [&]<class Right>(Right matcher) {
      using Step = Composition<W, Filter, special, Right>;
      Step step(left.view(), std::move(matcher), sides.left_sorted, sides.right_sorted, compose, sides.rewrite_output);
      return LazyFst<W>(std::make_unique<Composed<W, Step>>(left, right, std::move(step)), options);
    };
    if constexpr (W::floats == 1 && std::is_same_v<Filter, SequenceFilter>) {
      if (right.ngram) return lazy(NgramMatcher<W>(*right.ngram));
    }
    return lazy(Matcher<W>(right.fst.view(), false));
  };
  using enum ComposeFilter;
  if (right.ngram && compose.filter != kAuto && compose.filter != kSequence) {
    fst_error("lazy composition: with an n-gram automaton the filters are 'auto' and 'sequence'");
  }
  switch (compose.special) {
    case Special::kPhi: return with.template operator()<SequenceFilter, Special::kPhi>();
    case Special::kRho: return with.template operator()<SequenceFilter, Special::kRho>();
    case Special::kSigma: return with.template operator()<SequenceFilter, Special::kSigma>();
    default: break;
  }
  switch (compose.filter) {
    case kNull: return with.template operator()<NullFilter, Special::kNone>();
    case kTrivial: return with.template operator()<TrivialFilter, Special::kNone>();
    case kAltSequence: return with.template operator()<AltSequenceFilter, Special::kNone>();
    case kMatch: return with.template operator()<MatchFilter, Special::kNone>();
    case kNoMatch: return with.template operator()<NoMatchFilter, Special::kNone>();
    default: return with.template operator()<SequenceFilter, Special::kNone>();
  }
}

template <class W>
Fst<W> expand(LazyFst<W>& lazy, bool connect, Bounds bounds) {
  FstBuilder<W> result;
  Work work("expansion of a lazy composition", bounds, sizeof(State<W>) + 40, sizeof(Arc<W>));
  result.start = lazy.start();
  for (std::size_t q = 0; result.start != kNoState && q < lazy.num_known_states(); ++q) {
    const auto arcs = lazy.arcs_of(StateId(q));
    const StateId state = result.open(lazy.final(StateId(q)));
    result.states[state].arcs = static_cast<std::uint32_t>(arcs.size());
    result.arcs.append(arcs.begin(), arcs.end());
    work.what = std::to_string(q) + " states";
    work.made(lazy.num_known_states(), result.arcs.size());
  }
  using namespace properties;
  Bits bits = kExpanded | kMutable | kAccessible;
  if (connect) {
    drop_dead_ends(result, work);
    bits |= kCoAccessible;
  }
  return result.finish(bits);
}

#define SONANT_INSTANTIATE(W)                                                                           \
  template class LazyFst<W>;                                                                            \
  template LazyFst<W> compose_lazily(const Fst<W>&, const RightSide<W>&, const ComposeOptions&,         \
                                     const LazyOptions&);                                               \
  template Fst<W> expand(LazyFst<W>&, bool, Bounds);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)

}  // namespace sonant
