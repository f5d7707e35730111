#include "graphs/context.h"

#include <string>

#include "fst/builder.h"

namespace sonant {

namespace {

constexpr int kWidest = 100;
constexpr Label kLargest = (1 << 24) - 1;  // symbols are looked up in a table

}  // namespace

InverseContext::InverseContext(Label subsequential, std::vector<Label> phones, std::vector<Label> disambig, int width,
                               int central)
    : subsequential_(subsequential), width_(width), central_(central) {
  if (width < 1 || width > kWidest || central < 0 || central >= width) {
    fst_error("context: a window of ", width, " phones around number ", central, "; expected a width of 1 to ", kWidest,
              " and a central position below it, from 0 (3 and 1 for triphones)");
  }
  for (const Label phone : phones) declare(phone, Kind::kPhone, "phone");
  for (const Label symbol : disambig) declare(symbol, Kind::kDisambig, "disambiguation symbol");
  if (subsequential != 0) {
    declare(subsequential, Kind::kSubsequential, "subsequential symbol");
  } else if (looks_ahead()) {
    fst_error("context: windows of ", width, " phones around number ", central,
              " end after the last phone; expected a subsequential symbol that is none of the others, not 0");
  }
  windows_.number({});
  if (looks_ahead()) {  // or else each phone fills its window
    const Label none[] = {0};
    windows_.number(none);
  }
  const std::vector<Label> nothing(std::size_t(width - 1), 0);
  states_.number(nothing);
}

void InverseContext::declare(Label label, Kind kind, const char* what) {
  if (label < 1 || label > kLargest) {
    fst_error("context: the ", what, " ", label, "; expected 1 to ", kLargest);
  }
  if (std::size_t(label) >= kinds_.size()) kinds_.resize(std::size_t(label) + 1, Kind::kNone);
  Kind& known = kinds_[label];
  if (known != Kind::kNone && known != kind) {
    fst_error("context: ", label, " is a ", known == Kind::kPhone ? "phone" : "disambiguation symbol", " and the ",
              what, " as well; take another number for one of them");
  }
  known = kind;
}

bool InverseContext::is_final(StateId s) const {
  if (s < 0 || std::size_t(s) >= states_.size()) {
    fst_error<FstIndexError>("context: there is no state ", s, "; so far there are ", states_.size());
  }
  return !looks_ahead() || states_.of(std::uint32_t(s))[central_] == subsequential_;
}

InverseContext::Step InverseContext::step(StateId s, Label label) {
  if (s >= 0) {
    const std::int32_t place = known_.find(std::uint32_t(s), std::uint32_t(label));
    if (place != PairMap::kNone) return steps_[place];
  }
  const Step step = made(s, label);
  known_.put(std::uint32_t(s), std::uint32_t(label), std::int32_t(steps_.size()));
  steps_.push_back(step);
  return step;
}

InverseContext::Step InverseContext::made(StateId s, Label label) {
  const bool final = is_final(s);
  const Kind kind = label > 0 && std::size_t(label) < kinds_.size() ? kinds_[label] : Kind::kNone;
  if (kind == Kind::kNone) {
    fst_error("context: the label ", label, " is neither a phone nor a disambiguation symbol",
              label > kLargest ? "; they may be at most " + std::to_string(kLargest) : "",
              ": are the phones and the disambiguation symbols those of the graph?");
  }
  if (kind == Kind::kDisambig) {
    const Label window[] = {-label};
    return {Label(windows_.number(window)), s};
  }
  const auto before = states_.of(std::uint32_t(s));
  if (kind == Kind::kPhone && looks_ahead() && before.back() == subsequential_) return {};
  if (kind == Kind::kSubsequential && final) return {};
  scratch_.assign(before.begin(), before.end());
  scratch_.push_back(label);
  const auto next = StateId(states_.number(std::span(scratch_).subspan(1)));
  if (scratch_[central_] == 0) return {1, next};
  for (Label& phone : std::span(scratch_).subspan(std::size_t(central_) + 1)) {
    if (phone == subsequential_) phone = 0;
  }
  return {Label(windows_.number(scratch_)), next};
}

Fst<TropicalWeight> add_subsequential_loop(const Fst<TropicalWeight>& fst, Label symbol) {
  const View<TropicalWeight> view = fst.view();
  const auto end = static_cast<StateId>(view.num_states);
  FstBuilder<TropicalWeight> result;
  for (StateId s = 0; s < end; ++s) {
    result.copy(view.states[s], view.arcs_of(s), 0);
    if (const TropicalWeight final = view.states[s].final; !is_zero(final)) result.add({symbol, 0, final, end});
  }
  result.open(TropicalWeight::one());
  result.add({symbol, 0, TropicalWeight::one(), end});
  result.start = view.start;
  return result.finish();
}

Fst<TropicalWeight> compose_context(const Fst<TropicalWeight>& fst, InverseContext& context, bool ended,
                                    Bounds bounds) {
  using W = TropicalWeight;
  const View<W> view = fst.view();
  if (view.start == kNoState) {
    fst_error("context: the automaton (", view.num_states, " states) has no start state: is the LG empty?");
  }
  Work work("composition with the context", bounds, sizeof(State<W>) + 24, sizeof(Arc<W>));
  work.what = "an automaton of " + std::to_string(view.num_states) + " states";
  const auto end = static_cast<StateId>(view.num_states);  // the state that the subsequential symbols lead to
  const bool loop = context.looks_ahead() && !ended;
  Numbering pairs;
  const auto number = [&](StateId s, StateId t) {
    return StateId(pairs(std::uint64_t(std::uint32_t(s)) << 32 | std::uint32_t(t)));
  };
  FstBuilder<W> result;
  result.start = number(view.start, context.start());
  for (std::size_t q = 0; q < pairs.size(); ++q) {
    const auto s = StateId(pairs.key(q) >> 32), t = StateId(std::uint32_t(pairs.key(q)));
    const W final = s == end ? W::one() : view.states[s].final;
    result.open(context.is_final(t) ? final : W::zero());
    const auto follow = [&](Label ilabel, Label olabel, W weight, StateId nextstate) {
      work.step();
      const InverseContext::Step step = ilabel == 0 ? InverseContext::Step{0, t} : context.step(t, ilabel);
      if (step.next == kNoState) return;
      result.add({step.olabel, olabel, weight, number(nextstate, step.next)});
    };
    if (s != end) {
      for (const Arc<W>& arc : view.arcs_of(s)) follow(arc.ilabel, arc.olabel, arc.weight, arc.nextstate);
    }
    if (loop && !is_zero(final)) follow(context.subsequential(), 0, final, end);
    work.made(pairs.size(), result.arcs.size());
  }
  return result.finish();
}

}  // namespace sonant
