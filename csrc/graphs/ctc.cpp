#include "graphs/ctc.h"

#include <algorithm>

#include "fst/builder.h"
#include "fst/error.h"

namespace sonant {

namespace {

using W = TropicalWeight;

// The last token is kNone behind a blank, and at the start; tokens have positive labels.
constexpr Label kNone = 0;

struct Place {
  StateId state;  // of LG
  Label last;
  bool moved;

  std::uint64_t key() const { return std::uint64_t(state) << 32 | std::uint64_t(last) << 1 | std::uint64_t(moved); }
  static Place of(std::uint64_t key) {
    return {static_cast<StateId>(key >> 32), static_cast<Label>((key >> 1) & 0x7fffffff), bool(key & 1)};
  }
};

class Composition {
 public:
  Composition(const View<W>& lg, std::span<const Label> labels, const CtcOptions& options)
      : lg_(lg), blank_(labels.front()), options_(options), work_("composition with a CTC topology", options.bounds,
                                                                  sizeof(State<W>) + 24, sizeof(Arc<W>)) {
    work_.what = "an automaton of " + std::to_string(lg.num_states) + " states";
    known_.resize(std::size_t(*std::max_element(labels.begin(), labels.end())) + 1, false);
    for (const Label label : labels.subspan(1)) known_[std::size_t(label)] = true;
  }

  Fst<W> run() {
    if (lg_.start == kNoState) return {};
    made_.start = StateId(places_(Place{lg_.start, kNone, false}.key()));
    for (std::size_t i = 0; i < places_.size(); ++i) expand(Place::of(places_.key(i)));
    drop_dead_ends(made_, work_);
    Fst<W> result = made_.finish();
    result.sort_arcs(false);
    return result;
  }

 private:
  void expand(const Place& at) {
    const bool compact = options_.topology == CtcTopology::kCompact;
    const bool waits = compact && at.last != kNone;  // for the epsilon back to T's state 0
    made_.open(waits ? W::zero() : lg_.states[at.state].final);
    if (!at.moved) write_nothing(at, waits);
    if (!waits) follow(at);
    work_.made(made_.states.size(), made_.arcs.size());
  }

  void write_nothing(const Place& at, bool waits) {
    if (waits) {
      add(0, 0, W::one(), {at.state, kNone, false});
    } else {
      add(blank_, 0, W::one(), {at.state, kNone, false});
    }
    if (at.last != kNone && options_.self_loops) add(at.last, 0, W::one(), at);
  }

  void follow(const Place& at) {
    const bool remembers = options_.topology != CtcTopology::kMinimal;
    for (const Arc<W>& arc : lg_.arcs_of(at.state)) {
      work_.step();
      if (arc.ilabel == 0) {
        add(0, arc.olabel, arc.weight, {arc.nextstate, at.last, true});
      } else if (arc.ilabel != at.last && std::size_t(arc.ilabel) < known_.size() && known_[std::size_t(arc.ilabel)]) {
        add(arc.ilabel, arc.olabel, arc.weight, {arc.nextstate, remembers ? arc.ilabel : kNone, false});
      }
    }
  }

  void add(Label ilabel, Label olabel, const W& weight, const Place& to) {
    made_.add({ilabel, olabel, weight, static_cast<StateId>(places_(to.key()))});
  }

  View<W> lg_;
  Label blank_;
  CtcOptions options_;
  Work work_;
  std::vector<bool> known_;
  Numbering places_;
  FstBuilder<W> made_;
};

}  // namespace

Fst<W> compose_ctc(const Fst<W>& lg, std::span<const Label> labels, const CtcOptions& options) {
  if (labels.size() < 2) fst_error(labels.size(), " labels; expected that of the blank and of one token at least");
  for (const Label label : labels) {
    if (label < 1 || label > (1 << 30)) fst_error("the token label ", label, "; expected 1 to ", 1 << 30);
  }
  return Composition(lg.view(), labels, options).run();
}

}  // namespace sonant
