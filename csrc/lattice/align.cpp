// A compact lattice is read arc by arc, and what was read waits, words and transition-ids apart, until it is sure where
// a word (a phone) ends; then an arc with it is made. A state of the result is a state of the lattice with what waits
// there. Reading costs are on arcs with epsilons, which are removed in the end (as Kaldi's LatticeWordAligner).
#include "lattice/align.h"

#include <algorithm>

#include "fst/builder.h"
#include "fst/epsilon.h"
#include "fst/structure.h"
#include "lattice/prefix_tree.h"

namespace sonant {

namespace {

struct Waiting {
  std::vector<Label> ids, words;
  bool empty() const { return ids.empty() && words.empty(); }
};

struct Output {
  Label word = 0;
  std::size_t ids = 0, words = 0;  // how many of each leave
};

// What the ways to end a phone have in common.
class Phones {
 public:
  Phones(const Transitions& transitions, bool reorder) : transitions_(transitions), reorder_(reorder) {}
  std::string flaw;

 protected:
  std::int32_t phone(Label id) const { return transitions_.phones[std::size_t(id)]; }
  bool last(Label id) const { return transitions_.last[std::size_t(id)]; }
  bool self_loop(Label id) const { return transitions_.self_loops[std::size_t(id)]; }
  void wrong(const char* what) {
    if (flaw.empty()) flaw = what;
  }
  // Behind the phone that ids[i] is of; their number where it is not sure that it ends there.
  std::size_t end_of_phone(const std::vector<Label>& ids, std::size_t i) {
    const std::int32_t own = phone(ids[i]);
    for (; i < ids.size(); ++i) {
      if (phone(ids[i]) != own) {
        wrong("a phone changed before its last transition-id: another model's lattice, or another `reorder`");
      }
      if (last(ids[i])) break;
    }
    if (i == ids.size()) return i;
    ++i;
    while (reorder_ && i < ids.size() && self_loop(ids[i])) ++i;
    return i;
  }
  // Whether the last phone of all is complete.
  bool ends(const std::vector<Label>& ids) const {
    std::size_t i = ids.size() - 1;
    while (reorder_ && i > 0 && self_loop(ids[i])) --i;
    return last(ids[i]);
  }

  const Transitions transitions_;
  const bool reorder_;
};

class WordRule : public Phones {
 public:
  WordRule(const Transitions& transitions, const WordBoundaries& words)
      : Phones(transitions, words.reorder), boundaries_(words) {}

  bool output(const Waiting& w, Output& made) {
    if (w.ids.empty()) return false;
    const PhoneType type = type_of(w.ids[0]);
    std::size_t end = 0;
    if (type == PhoneType::kNonWord) {
      end = end_of_phone(w.ids, 0);
      made = {boundaries_.silence, end, 0};
    } else if (w.words.empty()) {
      return false;
    } else if (type == PhoneType::kBeginAndEnd) {
      end = end_of_phone(w.ids, 0);
      made = {w.words[0], end, 1};
    } else if (type == PhoneType::kBegin) {
      end = end_of_phone(w.ids, 0);
      for (; end < w.ids.size() && type_of(w.ids[end]) != PhoneType::kEnd; ++end) {
        if (type_of(w.ids[end]) != PhoneType::kInternal) {
          wrong("a phone within a word is none by the word boundaries: another lexicon's lattice");
        }
      }
      if (end < w.ids.size()) end = end_of_phone(w.ids, end);
      made = {w.words[0], end, 1};
    } else {
      return false;
    }
    return end < w.ids.size();
  }

  // At the end of a path: what waits, though it is not sure.
  Output forced(const Waiting& w) {
    if (!w.words.empty() && !w.ids.empty()) {
      const PhoneType first = type_of(w.ids[0]), end = type_of(w.ids.back());
      const bool word = (first == PhoneType::kBeginAndEnd && phone(w.ids[0]) == phone(w.ids.back())) ||
                        (first == PhoneType::kBegin && end == PhoneType::kEnd);
      if (!word || !ends(w.ids)) wrong("the last word is cut off");
      return {w.words[0], w.ids.size(), 1};
    }
    if (w.ids.empty()) {
      wrong("words at the end have no transition-ids");
      return {0, 0, w.words.size()};
    }
    if (type_of(w.ids[0]) != PhoneType::kNonWord) {
      wrong("transition-ids at the end are of no word");
      return {boundaries_.partial, w.ids.size(), 0};
    }
    if (phone(w.ids[0]) != phone(w.ids.back())) wrong("a silence at the end has several phones");
    if (!ends(w.ids)) wrong("the last silence is cut off");
    return {boundaries_.silence, w.ids.size(), 0};
  }

 private:
  PhoneType type_of(Label id) const { return PhoneType(boundaries_.types[std::size_t(phone(id))]); }
  const WordBoundaries boundaries_;
};

class PhoneRule : public Phones {
 public:
  PhoneRule(const Transitions& transitions, const PhoneAlignment& options)
      : Phones(transitions, options.reorder), phones_as_words_(options.phones_as_words) {}

  bool output(const Waiting& w, Output& made) {
    if (!w.ids.empty()) {
      const std::size_t end = end_of_phone(w.ids, 0);
      if (end < w.ids.size()) {
        made = one(w, end);
        return true;
      }
    }
    // Words that have no phones.
    if (w.words.size() < 2) return false;
    made = one(w, 0);
    return true;
  }
  Output forced(const Waiting& w) {
    if (!w.ids.empty()) {
      const auto number = std::ranges::count_if(w.ids, [&](Label id) { return last(id); });
      const bool same = std::ranges::all_of(w.ids, [&](Label id) { return phone(id) == phone(w.ids[0]); });
      if (!same || number != 1) wrong("the last phone is cut off");
    }
    return one(w, w.ids.size());
  }

 private:
  Output one(const Waiting& w, std::size_t end) const {
    Output made{w.words.empty() ? 0 : w.words[0], end, w.words.empty() ? 0u : 1u};
    if (phones_as_words_) made.word = end ? phone(w.ids[0]) : 0;
    return made;
  }
  const bool phones_as_words_;
};

template <class Rule>
class Alignment {
 public:
  Alignment(const View<CompactWeight>& lattice, const Transitions& transitions, Rule& rule, std::uint64_t max_states,
            const char* name)
      : lattice_(lattice), rule_(rule), work_(name, {max_states, 0}, sizeof(State<CompactWeight>) + 40,
                                              sizeof(Arc<CompactWeight>)) {
    work_.what = "a lattice of " + std::to_string(lattice.num_states) + " states";
    check_costs(lattice, work_);
    in_order(lattice, work_);
    for (const Label id : lattice.strings->symbols) {
      if (id > 0 && std::size_t(id) < transitions.phones.size()) continue;
      work_.fail("it has the transition-id ", id, "; the model has ", transitions.phones.size() - 1,
                 ". Take the model that the lattice was made with");
    }
  }

  CompactLattice run() {
    if (lattice_.start == kNoState) work_.fail("it is empty");
    made_.set_start(number({lattice_.start, 0, 0}, true));
    while (!stack_.empty()) {
      const StateId s = stack_.back();
      stack_.pop_back();
      work_.made(states_.size(), arcs_);
      expand(s);
    }
    return made_.packed();
  }

 private:
  struct Place {
    StateId state;  // of the lattice; one more is where all paths end
    PrefixTree::Id ids, words;
  };

  StateId number(const Place& place, bool wait) {
    const std::uint32_t strings = strings_(std::uint64_t(place.ids) << 32 | place.words);
    const auto s = StateId(numbers_(std::uint64_t(std::uint32_t(place.state)) << 32 | strings));
    if (std::size_t(s) < states_.size()) return s;
    states_.push_back(place);
    made_.add_state();
    if (wait) stack_.push_back(s);
    return s;
  }

  void expand(StateId s) {
    const Place place = states_[std::size_t(s)];
    Waiting waiting = waiting_at(place);
    Output output;
    if (rule_.output(waiting, output)) {
      add(s, place, waiting, output, true);
      return;
    }
    const bool end = place.state == StateId(lattice_.num_states);
    if (end) {
      finish(s, place);
      return;
    }
    const auto read = [&](const CompactWeight& weight, Label word, StateId next) {
      Place to{next, place.ids, tree_.append(place.words, word)};
      for (const Label id : lattice_.strings->of(weight)) to.ids = tree_.append(to.ids, id);
      work_.steps(weight.length + 1);
      ++arcs_;
      made_.add_arc(s, {0, 0, {weight.weight, 0, 0}, number(to, true)});
    };
    for (const Arc<CompactWeight>& arc : lattice_.arcs_of(place.state)) read(arc.weight, arc.ilabel, arc.nextstate);
    const CompactWeight final = lattice_.states[place.state].final;
    if (!is_zero(final)) read(final, 0, StateId(lattice_.num_states));
  }

  void finish(StateId s, Place place) {
    for (;;) {
      const Waiting waiting = waiting_at(place);
      if (waiting.empty()) {
        made_.set_final(s, CompactWeight::one());
        return;
      }
      s = add(s, place, waiting, rule_.forced(waiting), false);
      place = states_[std::size_t(s)];
    }
  }

  StateId add(StateId s, const Place& place, const Waiting& waiting, const Output& output, bool wait) {
    const auto rest = [&](const std::vector<Label>& labels, std::size_t from) {
      PrefixTree::Id id = 0;
      for (std::size_t i = from; i < labels.size(); ++i) id = tree_.append(id, labels[i]);
      return id;
    };
    const Place to{place.state, rest(waiting.ids, output.ids), rest(waiting.words, output.words)};
    const CompactWeight weight =
        made_.add_string(LatticeWeight::one(), std::span(waiting.ids).first(output.ids));
    const StateId next = number(to, wait);
    ++arcs_;
    made_.add_arc(s, {output.word, output.word, weight, next});
    return next;
  }

  Waiting waiting_at(const Place& place) const {
    Waiting waiting;
    tree_.copy_to(place.ids, waiting.ids);
    tree_.copy_to(place.words, waiting.words);
    return waiting;
  }

  const View<CompactWeight> lattice_;
  Rule& rule_;
  Work work_;
  CompactLattice made_;
  PrefixTree tree_;
  Numbering strings_, numbers_;
  std::vector<Place> states_;
  std::vector<StateId> stack_;
  std::size_t arcs_ = 0;
};

}  // namespace

Aligned align_words(const CompactLattice& lattice, const Transitions& transitions, const WordBoundaries& words,
                    std::uint64_t max_states) {
  constexpr const char* kName = "word alignment";
  const View<CompactWeight> view = lattice.view();
  for (const Label id : view.strings->symbols) {
    if (id < 0 || std::size_t(id) >= transitions.phones.size()) continue;  // looked at below
    const std::int32_t phone = transitions.phones[std::size_t(id)];
    if (phone >= 0 && std::size_t(phone) < words.types.size() &&
        PhoneType(words.types[std::size_t(phone)]) != PhoneType::kNone) {
      continue;
    }
    fst_error(kName, ": the phone ", phone, " of the transition-id ", id, " has no type in the word boundaries. Take "
              "those of the model's phones");
  }
  // Silences and partial words without a word of their own get one until epsilons are gone.
  Label free = 1 + std::max(words.silence, words.partial);
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    for (const Arc<CompactWeight>& arc : view.arcs_of(s)) {
      if (arc.ilabel < 0 || arc.ilabel > 0x7ffffff0) fst_error(kName, ": an arc of state ", s, " has the word ", Label(arc.ilabel));
      free = std::max(free, arc.ilabel + 1);
    }
  }
  WordBoundaries own = words;
  LabelMap back;
  for (Label* word : {&own.partial, &own.silence}) {
    if (*word) continue;
    back[free] = 0;
    *word = free++;
  }
  WordRule rule(transitions, own);
  const CompactLattice raw = Alignment<WordRule>(view, transitions, rule, max_states, kName).run();
  const CompactLattice made = remove_epsilons(raw, EpsilonOptions());
  return {relabel(made, back, back), rule.flaw};
}

Aligned align_phones(const CompactLattice& lattice, const Transitions& transitions, const PhoneAlignment& options) {
  PhoneRule rule(transitions, options);
  const CompactLattice raw =
      Alignment<PhoneRule>(lattice.view(), transitions, rule, 0, "phone alignment").run();
  return {options.remove_epsilons ? remove_epsilons(raw, EpsilonOptions()) : connect(raw), rule.flaw};
}

}  // namespace sonant
