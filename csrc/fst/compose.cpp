#include "fst/compose.h"

#include <algorithm>
#include <limits>

#include "fst/builder.h"
#include "fst/compose_step.h"

namespace sonant {

namespace {

template <class W, class Filter, Special special>
Fst<W> run(const View<W>& left, const View<W>& right, bool left_sorted, bool right_sorted,
           const ComposeOptions& options, bool rewrite_output) {
  Composition<W, Filter, special> step(left, Matcher<W>(right, false), left_sorted, right_sorted, options,
                                       rewrite_output);
  FstBuilder<W> result;
  result.start = step.start();
  for (std::size_t q = 0; q < step.size(); ++q) {
    const std::size_t before = result.arcs.size();
    const StateId state = result.open();
    result.states[state].final = step.expand(q, result.arcs);
    result.states[state].arcs = static_cast<std::uint32_t>(result.arcs.size() - before);
    step.work().made(step.size(), result.arcs.size());
  }
  result.strings = step.take_pairs_away();
  using namespace properties;
  Bits bits = kExpanded | kMutable | kAccessible;
  if (options.connect) {
    drop_dead_ends(result, step.work());
    bits |= kCoAccessible;
  }
  return result.finish(bits);
}

template <class W, class Filter>
Fst<W> filtered(const View<W>& left, const View<W>& right, bool left_sorted, bool right_sorted,
                const ComposeOptions& options, bool rewrite_output) {
  const auto made = [&]<Special special>() {
    return run<W, Filter, special>(left, right, left_sorted, right_sorted, options, rewrite_output);
  };
  if constexpr (std::is_same_v<Filter, SequenceFilter>) {  // special labels go with the usual filter
    if (options.special == Special::kPhi) return made.template operator()<Special::kPhi>();
    if (options.special == Special::kRho) return made.template operator()<Special::kRho>();
    if (options.special == Special::kSigma) return made.template operator()<Special::kSigma>();
  }
  return made.template operator()<Special::kNone>();
}

}  // namespace

template <class W>
Fst<W> compose(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options) {
  const View<W> a = left.view(), b = right.view();
  const ComposeSides sides = check_compose(left, &right, options);
  const auto run = [&]<class Filter>() {
    return filtered<W, Filter>(a, b, sides.left_sorted, sides.right_sorted, options, sides.rewrite_output);
  };
  switch (options.filter) {
    case ComposeFilter::kNull: return run.template operator()<NullFilter>();
    case ComposeFilter::kTrivial: return run.template operator()<TrivialFilter>();
    case ComposeFilter::kAltSequence: return run.template operator()<AltSequenceFilter>();
    case ComposeFilter::kMatch: return run.template operator()<MatchFilter>();
    case ComposeFilter::kNoMatch: return run.template operator()<NoMatchFilter>();
    default: return run.template operator()<SequenceFilter>();
  }
}

template <class W>
Fst<W> intersect(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options) {
  using namespace properties;
  for (const Fst<W>* fst : {&left, &right}) {
    if (!(find_properties(fst->view(), fst->stored_properties(), kAcceptor | kNotAcceptor) & kAcceptor)) {
      fst_error("intersection: the ", fst == &left ? "left" : "right", " automaton (", fst->num_states(),
                " states) has arcs with different input and output labels; project it first");
    }
  }
  return compose(left, right, options);
}

template <class W>
Fst<W> difference(const Fst<W>& left, const Fst<W>& right, const ComposeOptions& options) {
  using namespace properties;
  const View<W> b = right.view();
  const Bits asked = kAcceptor | kIDeterministic | kNoIEpsilons | kUnweighted;
  const Bits found = find_properties(b, right.stored_properties(), asked | kNonIDeterministic);
  if ((found & asked) != asked) {
    fst_error("difference: the right automaton (", b.num_states, " states) is not ",
              !(found & kAcceptor) ? "an acceptor: project it"
              : !(found & kUnweighted) ? "unweighted: remove its weights"
              : !(found & kNoIEpsilons) ? "free of epsilons: remove them"
                                        : "deterministic: determinize it");
  }
  // The complement: what was final is not, and labels that are not there lead to a final state with a loop.
  std::int64_t rest = 1;
  for (const View<W>& fst : {left.view(), b}) {
    for (std::size_t s = 0; s < fst.num_states; ++s) {
      for (const Arc<W>& arc : fst.arcs_of(StateId(s))) {
        rest = std::max<std::int64_t>(rest, std::int64_t(std::max(arc.ilabel, arc.olabel)) + 1);
      }
    }
  }
  if (rest > std::numeric_limits<Label>::max()) {
    fst_error("difference: label ", rest - 1, " is the highest that there is, and one more is needed for the rest of all "
              "labels; relabel it");
  }
  const auto other = static_cast<Label>(rest);
  FstBuilder<W> complement;
  complement.start = b.start == kNoState ? StateId(b.num_states) : b.start;
  const auto trap = static_cast<StateId>(b.num_states);
  for (StateId s = 0; s <= trap; ++s) {
    complement.open(s == trap || is_zero(b.states[s].final) ? W::one() : W::zero());
    const auto first = std::ptrdiff_t(complement.arcs.size());
    if (s < trap) {
      for (const Arc<W>& arc : b.arcs_of(s)) {
        if (!is_zero(arc.weight)) complement.add(arc);
      }
      std::sort(complement.arcs.begin() + first, complement.arcs.end(),
                [](const Arc<W>& x, const Arc<W>& y) { return x.ilabel < y.ilabel; });
    }
    complement.add({other, other, W::one(), trap});
  }
  ComposeOptions with_rest = options;
  with_rest.filter = ComposeFilter::kAuto;
  with_rest.special = Special::kRho;
  with_rest.special_label = other;
  return compose(left, complement.finish(kExpanded | kMutable | kAcceptor | kILabelSorted), with_rest);
}

#define SONANT_INSTANTIATE(W)                                                          \
  template Fst<W> compose(const Fst<W>&, const Fst<W>&, const ComposeOptions&);        \
  template Fst<W> intersect(const Fst<W>&, const Fst<W>&, const ComposeOptions&);      \
  template Fst<W> difference(const Fst<W>&, const Fst<W>&, const ComposeOptions&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)

}  // namespace sonant
