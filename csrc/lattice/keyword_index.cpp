// The index of a lattice for keyword search (Can and Saraclar, "Lattice indexing for spoken term detection", 2011): an
// automaton of all sequences of words that stand one behind the other somewhere in the lattice (its factors), each with
// its probability, as a cost, the first frame and the end.
//
// A factor begins with a word and ends with one; in between there may be silences that are short enough. What is one
// sequence at one time has many ways through the lattice: their probabilities are added up, the first begin and the
// last end are taken. What "one time" is follows from clusters: of all arcs with one word those that overlap. So the
// automaton of factors, with (word, cluster) as labels, is determinized over sums of probabilities and extremes of
// times. Its states are sets of (state of the lattice, whether a word was the last that was read), with what each owes.
#include <algorithm>
#include <cmath>
#include <map>

#include "fst/builder.h"
#include "fst/structure.h"
#include "lattice/lattice.h"

namespace sonant {

namespace {

constexpr float kGrid = 1024;  // costs of sets that are closer than its inverse are taken for equal

double log_add(double a, double b) {  // of costs
  if (a > b) std::swap(a, b);
  return b == std::numeric_limits<double>::infinity() ? a : a - std::log1p(std::exp(a - b));
}

struct Mass {
  double cost = std::numeric_limits<double>::infinity();
  std::int32_t begin = 0, end = 0;

  void add(const Mass& other) {
    begin = std::min(begin, other.begin);
    end = std::max(end, other.end);
    cost = log_add(cost, other.cost);
  }
};

// Of each arc, in the order of states, the number of its cluster from 1 on; 0 for silences.
std::vector<Label> clusters(const View<CompactWeight>& lattice, const std::vector<std::int32_t>& times) {
  struct Span {
    Label word;
    std::int32_t begin, end;
    std::size_t arc;
    auto operator<=>(const Span&) const = default;
  };
  std::vector<Span> spans;
  std::size_t i = 0;
  for (StateId s = 0; s < StateId(lattice.num_states); ++s) {
    for (const Arc<CompactWeight>& arc : lattice.arcs_of(s)) {
      if (arc.ilabel) spans.push_back({arc.ilabel, times[s], times[arc.nextstate], i});
      ++i;
    }
  }
  std::ranges::sort(spans);
  std::vector<Label> result(i, 0);
  std::vector<Span> heads;
  for (std::size_t first = 0; first < spans.size();) {
    std::size_t last = first;
    heads.clear();
    for (; last < spans.size() && spans[last].word == spans[first].word; ++last) {
      if (heads.empty() || heads.back().end <= spans[last].begin) heads.push_back(spans[last]);
    }
    for (; first < last; ++first) {
      std::int32_t most = 0;
      std::size_t best = 0;
      for (std::size_t h = 0; h < heads.size(); ++h) {
        const std::int32_t overlap =
            std::min(spans[first].end, heads[h].end) - std::max(spans[first].begin, heads[h].begin);
        if (overlap > most) {
          most = overlap;
          best = h;
        }
      }
      result[spans[first].arc] = Label(best) + 1;
    }
  }
  return result;
}

class KeywordIndex {
 public:
  KeywordIndex(const View<CompactWeight>& lattice, Label utterance, int max_silence)
      : lattice_(lattice), utterance_(utterance), max_silence_(max_silence), work_("a keyword index", lattice),
        times_(lattice_times(lattice).times), costs_(lattice_costs(lattice, false)),
        clusters_(clusters(lattice, times_)), first_(lattice.num_states + 1, 0) {
    for (std::size_t s = 0; s < lattice.num_states; ++s) first_[s + 1] = first_[s] + lattice.states[s].arcs;
  }

  Fst<KwsIndexWeight> run() {
    begin();
    for (std::size_t q = 0; q < sets_.size(); ++q) expand(q);
    const StateId end = made_.open(KwsIndexWeight::one());
    for (Arc<KwsIndexWeight>& arc : made_.arcs) {
      if (arc.nextstate == kNoState) arc.nextstate = end;
    }
    made_.start = 0;
    return connect(made_.finish());
  }

 private:
  struct Key {
    StateId state;
    bool after_word;
    auto operator<=>(const Key&) const = default;
  };
  using Set = std::map<Key, Mass>;  // in the order of states, which is one of topology
  struct Rounded {
    Key key;
    std::int64_t cost;
    std::int32_t begin, end;
    auto operator<=>(const Rounded&) const = default;
  };

  // Before the first word: from each state on.
  void begin() {
    Set set;
    for (StateId s = 0; s < StateId(lattice_.num_states); ++s) {
      const double cost = costs_.forward[s] + costs_.backward[s] - costs_.total;
      if (std::isfinite(cost)) set[{s, false}] = {cost, times_[s], 0};
    }
    sets_.push_back(std::move(set));
  }

  bool short_enough(StateId s, const Arc<CompactWeight>& arc) const {
    return max_silence_ < 0 || times_[arc.nextstate] - times_[s] <= max_silence_;
  }

  double pushed(StateId s, const Arc<CompactWeight>& arc) const {
    return cost_of(CompactWeight(arc.weight)) + costs_.backward[arc.nextstate] - costs_.backward[s];
  }

  // What is reached by silences, too.
  void close(Set& set) const {
    for (auto at = set.begin(); at != set.end(); ++at) {
      const StateId s = at->first.state;
      for (const Arc<CompactWeight>& arc : lattice_.arcs_of(s)) {
        if (arc.ilabel || !short_enough(s, arc)) continue;
        add(set, {arc.nextstate, false}, {at->second.cost + pushed(s, arc), at->second.begin, at->second.end});
      }
    }
  }

  static void add(Set& set, Key key, const Mass& mass) {
    if (!std::isfinite(mass.cost)) return;
    const auto [at, is_new] = set.try_emplace(key, mass);
    if (!is_new) at->second.add(mass);
  }

  // Takes out what all have in common.
  static Mass taken(Set& set) {
    Mass common = set.begin()->second;
    for (auto at = std::next(set.begin()); at != set.end(); ++at) common.add(at->second);
    for (auto& [key, mass] : set) {
      mass = {mass.cost - common.cost, mass.begin - common.begin, mass.end - common.end};
    }
    return common;
  }

  StateId number(Set set) {
    std::vector<Rounded> rounded;
    for (const auto& [key, mass] : set) {
      rounded.push_back({key, std::llround(mass.cost * kGrid), mass.begin, mass.end});
    }
    const auto [at, is_new] = numbers_.try_emplace(std::move(rounded), StateId(sets_.size()));
    if (is_new) sets_.push_back(std::move(set));
    return at->second;
  }

  void expand(std::size_t q) {
    made_.open();
    std::map<std::pair<Label, Label>, Set> next;  // by word and cluster
    Mass ends;
    bool has_end = false;
    for (const auto& [key, mass] : sets_[q]) {
      const StateId s = key.state;
      std::size_t i = first_[s];
      for (const Arc<CompactWeight>& arc : lattice_.arcs_of(s)) {
        const Label cluster = clusters_[i++];
        work_.step();
        if (arc.ilabel == 0) continue;
        add(next[{arc.ilabel, cluster}], {arc.nextstate, true}, {mass.cost + pushed(s, arc), mass.begin, mass.end});
      }
      if (key.after_word) {
        const Mass end{mass.cost, mass.begin, mass.end + times_[s]};
        if (has_end) ends.add(end);
        else ends = end;
        has_end = true;
      }
    }
    for (auto& [label, set] : next) {
      if (set.empty()) continue;
      close(set);
      const Mass common = taken(set);
      made_.add({label.first, 0, weight(common), number(std::move(set))});
    }
    // The number of the state tells apart what is said at several times.
    if (has_end) made_.add({Label(q), utterance_, weight(ends), kNoState});
    work_.made(sets_.size(), made_.arcs.size());
  }

  static KwsIndexWeight weight(const Mass& mass) {
    return {float(mass.cost), float(mass.begin), float(mass.end)};
  }

  const View<CompactWeight>& lattice_;
  const Label utterance_;
  const int max_silence_;
  Work work_;
  std::vector<std::int32_t> times_;
  LatticeCosts costs_;
  std::vector<Label> clusters_;
  std::vector<std::size_t> first_;  // arc of each state
  std::vector<Set> sets_;
  std::map<std::vector<Rounded>, StateId> numbers_;
  FstBuilder<KwsIndexWeight> made_;
};

}  // namespace

Fst<KwsIndexWeight> keyword_index(const CompactLattice& lattice, Label utterance, int max_silence) {
  if (utterance < 1) fst_error("utterance ", utterance, " of a keyword index; expected a number from 1 on");
  const CompactLattice given = sorted(connect(lattice), "a keyword index");
  const View<CompactWeight> view = given.view();
  if (view.start == kNoState) return {};
  return KeywordIndex(view, utterance, max_silence).run();
}

}  // namespace sonant
