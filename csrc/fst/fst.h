// The flat automaton: a table of states, a table of arcs, and each state's arcs side by side.
//
// A state and an arc are records without padding, laid out as in OpenFst's const files, so that such a file can be
// used where it lies (mapped into memory, at any offset), and a block of arcs of a vector file is copied as it is.
// Columns are strided views of these tables.
//
//   View    what an algorithm reads: pointers and counts, for any origin (built, read or mapped)
//   Fst     an automaton that grows and changes, and that any number of views and copies share: a change of one
//           that is shared copies the tables first, so nothing that was handed out changes or dangles
//
// Algorithms are templates over the weight (csrc/fst/semiring.h) that take a View and fill an Fst.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "array.h"
#include "fst/error.h"
#include "fst/properties.h"
#include "fst/semiring.h"

namespace sonant {

using Label = std::int32_t;    // 0 is epsilon
using StateId = std::int32_t;  // counted from 0
inline constexpr StateId kNoState = -1;
inline constexpr std::uint64_t kMostStates = 0x7fffffff, kMostArcs = 0xffffffff, kMostSymbols = 0xffffffff;

#pragma pack(push, 1)

template <class W>
struct Arc {
  Label ilabel = 0, olabel = 0;
  W weight;
  StateId nextstate = kNoState;
};

template <class W>
struct State {
  W final = W::zero();
  std::uint32_t begin = 0;  // of its arcs in the table of arcs
  std::uint32_t arcs = 0;
  std::uint32_t iepsilons = 0, oepsilons = 0;  // arcs whose input or output label is epsilon
};

#pragma pack(pop)

template <class W>
bool is_plain(const W& w) {
  return is_zero(w) || is_one(w);
}

template <class W>
struct View {
  const State<W>* states = nullptr;
  const Arc<W>* arcs = nullptr;
  std::size_t num_states = 0;
  std::size_t num_slots = 0;  // length of the table of arcs; while an automaton grows some slots are spare
  StateId start = kNoState;
  const StringsOf<W>* strings = nullptr;

  std::span<const Arc<W>> arcs_of(StateId s) const { return {arcs + states[s].begin, states[s].arcs}; }
  bool has(StateId s) const { return s >= 0 && static_cast<std::size_t>(s) < num_states; }
  std::size_t num_arcs() const {
    std::size_t count = 0;
    for (std::size_t s = 0; s < num_states; ++s) count += states[s].arcs;
    return count;
  }
};

// Why an automaton is not sound, empty if it is: destinations that are not there, weights that cannot be.
template <class W>
std::string flaw(const View<W>& fst);

template <class W>
bool same(const View<W>& a, const View<W>& b, float delta);

// The property bits of `mask` that could be found; `stored` is used where it tells all that is asked.
template <class W>
properties::Bits find_properties(const View<W>& fst, properties::Bits stored, properties::Bits mask);

// States in topological order, that is new numbers by old ones; empty if there is a cycle.
template <class W>
std::vector<StateId> topological_order(const View<W>& fst);

template <class W>
class Fst {
 public:
  using Weight = W;

  Fst() : tables_(std::make_shared<Tables>()) {}

  // Tables that lie elsewhere, in a mapped file say, and that `owner` keeps there. Nothing but that each state's
  // arcs lie within `arcs` may be assumed of them until check() has passed.
  static Fst over(std::shared_ptr<const void> owner, std::span<const State<W>> states, std::span<const Arc<W>> arcs,
                  StateId start, properties::Bits bits);

  // ---- Reading

  StateId start() const { return start_; }
  std::size_t num_states() const { return tables_->view.num_states; }
  const State<W>& state(StateId s) const;
  std::span<const Arc<W>> arcs_of(StateId s) const;
  const StringsOf<W>& strings() const { return *tables_->view.strings; }
  properties::Bits stored_properties() const { return properties_; }
  // Of the tables: while it is held, these tables do not change.
  std::shared_ptr<const void> identity() const { return tables_; }

  // For algorithms: follow nextstate at will. Throws FstError where that would lead out of the automaton.
  View<W> view() const {
    check();
    return tables();
  }
  // For what looks at states and their arcs without going from one to the other; for what is still being built, too.
  View<W> tables() const;
  void check() const;

  // The same automaton with its arcs in the order of states and without spare slots.
  Fst packed() const;
  bool is_packed() const;
  // Takes tables that a reader has filled; begin, arcs and the epsilons of each state are set here.
  void adopt(Array<State<W>> states, Array<Arc<W>> arcs, StringsOf<W> strings, StateId start,
             properties::Bits bits);

  // ---- Changing

  void set_start(StateId s);
  void set_final(StateId s, const W& weight);
  StateId add_state();
  void add_states(std::uint64_t count);
  // A destination that is not there yet may be added later. Strings of a weight are those of this automaton.
  void add_arc(StateId s, const Arc<W>& arc);
  void set_arc(StateId s, std::size_t position, const Arc<W>& arc);
  void delete_arcs(StateId s);
  void delete_last_arcs(StateId s, std::size_t count);
  void delete_states();
  // Their arcs, and the arcs that lead to them, go with them; the others close ranks.
  void delete_states(std::span<const StateId> states);
  void reserve_states(std::uint64_t count);
  void reserve_arcs(StateId s, std::uint64_t count);
  void sort_arcs(bool by_output);
  // Numbers states so that arcs lead to higher ones; false, and no change, where there is a cycle.
  bool topological_sort();
  // Renumbers: state s becomes order[s].
  void reorder(std::span<const StateId> order);
  CompactWeight add_string(LatticeWeight weight, std::span<const std::int32_t> string)
    requires has_strings<W>;
  void set_properties(properties::Bits bits, properties::Bits mask) {
    properties_ = (properties_ & ~mask) | (bits & mask);
  }

 private:
  struct Tables {
    Array<State<W>> states;
    Array<Arc<W>> arcs;
    std::vector<std::uint32_t> room;  // slots of each state; empty until the first change
    StringsOf<W> strings;
    std::shared_ptr<const void> owner;  // where the tables lie elsewhere
    View<W> view;
    // What has been found out, and has not changed since.
    std::atomic<bool> sound = false;   // check() has passed
    std::atomic<bool> packed = false;  // is_packed()

    Tables() { look(); }
    void look() { view = {states.data(), arcs.data(), states.size(), arcs.size(), kNoState, &strings}; }
  };

  Tables& change();  // the tables, which nobody else shares then
  static std::shared_ptr<Tables> copy(const Tables& tables);
  StateId valid(StateId s) const {
    if (!tables_->view.has(s)) {
      fst_error<FstIndexError>("state ", s, " is not there; the automaton has ", num_states(), " states");
    }
    return s;
  }
  void make_room(Tables& tables, StateId s, std::uint64_t count);

  std::shared_ptr<Tables> tables_;
  StateId start_ = kNoState;
  properties::Bits properties_ = properties::kNull | properties::kExpanded | properties::kMutable;
};

template <class W>
properties::ArcFacts facts(const Arc<W>& arc) {
  return {arc.ilabel, arc.olabel, is_plain(arc.weight)};
}

}  // namespace sonant
