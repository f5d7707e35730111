// Word alignment by a lexicon: the phones of a lattice are known, and its words, but not which belong together, as words
// stand anywhere before or behind their phones. A state of the result is a state of the phone-aligned lattice with the
// phones and words that were read on the way there and are of no pronunciation yet. A pronunciation is taken as soon as
// its last phone and its word are there, or not at all: so each way to share the phones out comes up once.
#include <algorithm>

#include "fst/builder.h"
#include "fst/epsilon.h"
#include "fst/structure.h"
#include "lattice/align.h"
#include "lattice/prefix_tree.h"

namespace sonant {

namespace {

constexpr const char* kName = "word alignment by a lexicon";

class LexiconAlignmentRun {
 public:
  LexiconAlignmentRun(const View<CompactWeight>& lattice, const Transitions& transitions,
                      const std::vector<LexiconEntry>& lexicon, const LexiconAlignment& options, Label silence, bool force)
      : lattice_(lattice), transitions_(transitions), options_(options), silence_(silence), force_(force),
        work_(kName, {options.max_states, 0}, sizeof(State<CompactWeight>) + 40, sizeof(Arc<CompactWeight>)) {
    work_.what = "a lattice of " + std::to_string(lattice.num_states) + " phone states";
    for (const LexiconEntry& entry : lexicon) {
      sorted_.push_back(&entry);
      prons_.push_back(entry.phones);
    }
    std::ranges::stable_sort(sorted_, {}, [](const LexiconEntry* entry) { return entry->word; });
    std::ranges::sort(prons_);
  }

  CompactLattice run() {
    made_.set_start(number({lattice_.start, 0, 0, kNothing, 0}));
    while (!stack_.empty()) {
      const StateId s = stack_.back();
      stack_.pop_back();
      work_.made(states_.size(), arcs_);
      expand(s);
    }
    return made_.packed();
  }

 private:
  static constexpr std::uint32_t kNothing = 0xffff;  // all that is possible is new
  struct Place {
    StateId state;  // one more than there are: the end
    PrefixTree::Id ids, words;
    std::uint32_t old_phones;  // how many phones were waiting before the last arc was read
    std::uint32_t old_words;
  };
  struct Waiting {
    std::vector<Label> ids, words;
    std::vector<std::int32_t> phones;
    std::vector<std::size_t> ends;  // of the phones, in ids
  };

  StateId number(const Place& place) {
    const std::uint32_t strings = strings_(std::uint64_t(place.ids) << 32 | place.words);
    const std::uint32_t old = old_(std::uint64_t(place.old_phones) << 32 | place.old_words);
    const std::uint32_t waiting = waiting_(std::uint64_t(strings) << 32 | old);
    const auto s = StateId(numbers_(std::uint64_t(std::uint32_t(place.state)) << 32 | waiting));
    if (std::size_t(s) < states_.size()) return s;
    states_.push_back(place);
    made_.add_state();
    stack_.push_back(s);
    return s;
  }

  Waiting waiting_at(const Place& place) const {
    Waiting w;
    tree_.copy_to(place.ids, w.ids);
    tree_.copy_to(place.words, w.words);
    for (std::size_t i = 0; i < w.ids.size();) {
      w.phones.push_back(transitions_.phones[std::size_t(w.ids[i])]);
      while (i < w.ids.size() && !transitions_.last[std::size_t(w.ids[i])]) ++i;
      if (i < w.ids.size()) ++i;
      while (options_.reorder && i < w.ids.size() && transitions_.self_loops[std::size_t(w.ids[i])]) ++i;
      w.ends.push_back(i);
    }
    return w;
  }

  std::span<const LexiconEntry* const> entries_of(Label word) const {
    const auto [begin, end] = std::ranges::equal_range(sorted_, word, {}, [](const LexiconEntry* e) { return e->word; });
    return {begin, end};
  }
  static bool starts_with(const std::vector<std::int32_t>& string, const std::vector<std::int32_t>& prefix) {
    return string.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), string.begin());
  }
  // Whether a pronunciation may go on from what is waiting.
  bool may_go_on(const Waiting& w) const {
    const auto fits = [&](const LexiconEntry* entry) { return starts_with(entry->phones, w.phones); };
    if (std::ranges::any_of(entries_of(0), fits)) return true;
    if (!w.words.empty()) return std::ranges::any_of(entries_of(w.words[0]), fits);
    const auto at = std::ranges::lower_bound(prons_, w.phones);
    return at != prons_.end() && starts_with(*at, w.phones);
  }

  void expand(StateId s) {
    const Place place = states_[std::size_t(s)];
    const Waiting w = waiting_at(place);
    const auto output = [&](const LexiconEntry* entry) {
      if (!starts_with(w.phones, entry->phones)) return;
      const std::size_t phones = entry->phones.size(), words = entry->word != 0;
      if (phones + words == 0) return;
      const bool old = place.old_phones != kNothing && phones <= place.old_phones && words <= place.old_words;
      if (old) return;
      const std::size_t ids = phones ? w.ends[phones - 1] : 0;
      const Label word = entry->result == 0 && phones ? silence_ : entry->result;
      add(s, place, w, word, ids, words);
    };
    for (const LexiconEntry* entry : entries_of(0)) output(entry);
    if (!w.words.empty()) {
      for (const LexiconEntry* entry : entries_of(w.words[0])) output(entry);
    }
    if (place.state == StateId(lattice_.num_states)) {
      if (w.ids.empty() && w.words.empty()) made_.set_final(s, CompactWeight::one());
      else if (force_) add(s, place, w, w.words.empty() ? partial() : w.words[0], w.ids.size(), w.words.size());
      return;
    }
    if (!force_ && !may_go_on(w)) return;
    const auto read = [&](const CompactWeight& weight, Label word, StateId next) {
      Place to{next, place.ids, tree_.append(place.words, word), std::uint32_t(w.phones.size()),
               std::uint32_t(w.words.size())};
      for (const Label id : lattice_.strings->of(weight)) to.ids = tree_.append(to.ids, id);
      work_.steps(weight.length + 1);
      ++arcs_;
      made_.add_arc(s, {0, 0, {weight.weight, 0, 0}, number(to)});
    };
    for (const Arc<CompactWeight>& arc : lattice_.arcs_of(place.state)) read(arc.weight, arc.ilabel, arc.nextstate);
    const CompactWeight final = lattice_.states[place.state].final;
    if (!is_zero(final)) read(final, 0, StateId(lattice_.num_states));
  }

  Label partial() const { return options_.partial ? options_.partial : silence_; }

  void add(StateId s, const Place& place, const Waiting& w, Label word, std::size_t ids, std::size_t words) {
    const auto rest = [&](const std::vector<Label>& labels, std::size_t from) {
      PrefixTree::Id id = 0;
      for (std::size_t i = from; i < labels.size(); ++i) id = tree_.append(id, labels[i]);
      return id;
    };
    const CompactWeight weight = made_.add_string(LatticeWeight::one(), std::span(w.ids).first(ids));
    ++arcs_;
    made_.add_arc(s, {word, word, weight,
                      number({place.state, rest(w.ids, ids), rest(w.words, words), kNothing, 0})});
  }

  const View<CompactWeight> lattice_;
  const Transitions transitions_;
  const LexiconAlignment options_;
  const Label silence_;
  const bool force_;
  Work work_;
  std::vector<const LexiconEntry*> sorted_;
  std::vector<std::vector<std::int32_t>> prons_;
  CompactLattice made_;
  PrefixTree tree_;
  Numbering strings_, old_, waiting_, numbers_;
  std::vector<Place> states_;
  std::vector<StateId> stack_;
  std::size_t arcs_ = 0;
};

}  // namespace

Aligned align_words_by_lexicon(const CompactLattice& lattice, const Transitions& transitions,
                               const std::vector<LexiconEntry>& lexicon, const LexiconAlignment& options) {
  Aligned phones = align_phones(lattice, transitions, {options.reorder, false, false});
  const View<CompactWeight> view = phones.lattice.view();
  if (view.start == kNoState) fst_error(kName, ": the lattice has no path from its start to a final state");
  // Silences without a word of their own get one until epsilons are gone.
  Label silence = options.partial + 1;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    for (const Arc<CompactWeight>& arc : view.arcs_of(s)) silence = std::max(silence, arc.ilabel + 1);
  }
  for (const LexiconEntry& entry : lexicon) silence = std::max({silence, entry.word + 1, entry.result + 1});
  const auto run = [&](bool force) {
    const CompactLattice raw = LexiconAlignmentRun(view, transitions, lexicon, options, silence, force).run();
    return remove_epsilons(raw, EpsilonOptions());
  };
  CompactLattice made = run(false);
  if (made.start() == kNoState) {
    made = run(true);
    if (phones.flaw.empty()) phones.flaw = "no path is one of pronunciations of its words in the lexicon";
  }
  const LabelMap back = {{silence, 0}};
  return {relabel(made, back, back), phones.flaw};
}

}  // namespace sonant
