#include "graphs/hmm.h"

#include <array>
#include <cmath>
#include <string>

#include "fst/builder.h"
#include "fst/epsilon.h"
#include "fst/structure.h"
#include "fst/sequences.h"

namespace sonant {

// ---- The tables

namespace {

void check_offsets(const std::vector<std::int32_t>& first, std::size_t count, std::size_t end, const char* what) {
  bool sound = first.size() == count + 1 && first[0] == 0 && std::size_t(first[count]) == end;
  for (std::size_t i = 0; sound && i < count; ++i) sound = first[i] <= first[i + 1];
  if (!sound) fst_error("transition model: the tables of ", what, " do not fit together");
}

}  // namespace

Transitions::Transitions(TransitionTables tables) : tables_(std::move(tables)) {
  const auto& t = tables_;
  if (t.first_state.empty() || t.first_transition.empty() || t.pdf_classes.size() % 2 || t.tuples.size() % 4) {
    fst_error("transition model: empty tables; expected a topology with its transition-states");
  }
  const std::size_t states = t.pdf_classes.size() / 2;
  check_offsets(t.first_state, t.first_state.size() - 1, states, "states");
  check_offsets(t.first_transition, states, t.destination.size(), "transitions");
  if (t.probability.size() != t.destination.size()) {
    fst_error("transition model: ", t.probability.size(), " probabilities for ", t.destination.size(), " transitions");
  }
  for (std::size_t e = 0; e + 1 < t.first_state.size(); ++e) {
    const std::int32_t size = t.first_state[e + 1] - t.first_state[e];
    if (size < 1) fst_error("transition model: entry ", e, " of the topology has no states");
    for (std::int32_t s = t.first_state[e]; s < t.first_state[e + 1]; ++s) {
      for (std::int32_t i = t.first_transition[s]; i < t.first_transition[s + 1]; ++i) {
        if (t.destination[i] < 0 || t.destination[i] >= size) {
          fst_error("transition model: entry ", e, " of the topology has ", size, " states and a transition to state ",
                    t.destination[i]);
        }
      }
      const std::int32_t forward = t.pdf_classes[2 * s], self_loop = t.pdf_classes[2 * s + 1];
      if (forward < kNoPdf || self_loop < kNoPdf || (forward == kNoPdf) != (self_loop == kNoPdf)) {
        fst_error("transition model: entry ", e, " of the topology has the pdf-classes ", forward, " and ", self_loop);
      }
    }
  }
  for (const std::int32_t entry : t.entry_of) {
    if (entry < -1 || entry + 1 >= std::int32_t(t.first_state.size())) {
      fst_error("transition model: entry ", entry, " of the topology is not there");
    }
  }
  first_id_ = self_loop_of_ = {0};
  state_of_ = {0};
  non_self_loop_ = {0};
  for (std::int32_t state = 1; state <= num_states(); ++state) {
    const std::int32_t* tuple = &t.tuples[4 * std::size_t(state - 1)];
    const std::int32_t phone = tuple[0], number = tuple[1];
    const std::int32_t entry = phone >= 0 && std::size_t(phone) < t.entry_of.size() ? t.entry_of[phone] : -1;
    if (entry < 0 || number < 0 || number >= t.first_state[entry + 1] - t.first_state[entry]) {
      fst_error("transition model: transition-state ", state, " is of phone ", phone, " and state ", number,
                ", which the topology does not have");
    }
    const std::int32_t s = t.first_state[entry] + number;
    first_id_.push_back(std::int32_t(state_of_.size()));
    self_loop_of_.push_back(0);
    for (std::int32_t i = t.first_transition[s]; i < t.first_transition[s + 1]; ++i) {
      if (t.destination[i] == number) self_loop_of_.back() = std::int32_t(state_of_.size());
      state_of_.push_back(state);
    }
    const std::int32_t loop = self_loop_of_.back();
    float left = 0;
    if (loop != 0 && std::size_t(loop) < t.log_probs.size()) {
      const float stays = std::exp(t.log_probs[loop]);
      left = std::log(std::max(1.0f - stays, 1e-10f));
    }
    non_self_loop_.push_back(left);
  }
  if (t.log_probs.size() != state_of_.size()) {
    fst_error("transition model: ", t.log_probs.size(), " log-probabilities for ", num_ids(), " transition-ids");
  }
}

std::int32_t Transitions::state(std::int32_t phone, std::int32_t hmm_state, std::int32_t forward,
                                std::int32_t self_loop) const {
  const std::array wanted = {phone, hmm_state, forward, self_loop};
  std::int32_t low = 0, high = num_states();
  while (low < high) {
    const std::int32_t middle = low + (high - low) / 2;
    const std::int32_t* tuple = &tables_.tuples[4 * std::size_t(middle)];
    if (std::lexicographical_compare(tuple, tuple + 4, wanted.begin(), wanted.end())) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == num_states() || !std::equal(wanted.begin(), wanted.end(), &tables_.tuples[4 * std::size_t(low)])) {
    fst_error("H: no transition-state has phone ", phone, ", state ", hmm_state, " and the pdfs ", forward, " and ",
              self_loop, ", which the tree gives it: do the tree and the model belong together?");
  }
  return low + 1;
}

// ---- H

namespace {

using W = TropicalWeight;

class HBuilder {
 public:
  HBuilder(const ContextLabels& labels, const Transitions& transitions, float transition_scale, Bounds bounds)
      : labels_(labels), transitions_(transitions), scale_(transition_scale),
        work_("H", bounds, sizeof(State<W>) + sizeof(Arc<W>), sizeof(Arc<W>)) {
    work_.what = std::to_string(labels.begins.size() - 1) + " labels";
  }

  HTransducer run() {
    rest_.open();  // stands for the loop's state, whose arcs are in loop_
    const std::size_t count = labels_.begins.size() - 1;
    for (std::size_t i = 1; i < count; ++i) {
      work_.step();
      const auto window = labels_.symbols.subspan(std::size_t(labels_.begins[i]),
                                                  std::size_t(labels_.begins[i + 1] - labels_.begins[i]));
      if (window.size() == 1 && window[0] <= 0) {
        const Label label = transitions_.num_ids() + 1 + Label(disambig_.size());
        disambig_.push_back(label);
        const StateId end = rest_.open();
        loop_.push_back({label, Label(i), W::one(), end});
        rest_.add({0, 0, W::one(), 0});
      } else {
        add_phone(Label(i), window);
      }
      work_.made(rest_.states.size(), rest_.arcs.size() + loop_.size());
    }
    FstBuilder<W> whole;
    whole.start = 0;
    whole.open(W::one());
    whole.states.reserve(rest_.states.size());
    whole.arcs.reserve(loop_.size() + rest_.arcs.size());
    for (const Arc<W>& arc : loop_) whole.add(arc);
    whole.arcs.append(rest_.arcs.begin(), rest_.arcs.end());
    whole.states.append(rest_.states.begin() + 1, rest_.states.end());
    return {whole.finish(), std::move(disambig_)};
  }

 private:
  void add_phone(Label label, std::span<const std::int32_t> window) {
    const std::int32_t phone = window[std::size_t(labels_.central)];
    const auto pdfs = labels_.pdfs.subspan(std::size_t(label) * labels_.classes, labels_.classes);
    key_.assign(pdfs.begin(), pdfs.end());
    key_.push_back(phone);
    const std::uint32_t known = keys_.number(key_);
    if (known < first_.size()) {
      Arc<W> arc = first_[known];
      arc.olabel = label;
      loop_.push_back(arc);
      return;
    }
    const Fst<W> fst = hmm(phone, pdfs);
    const View<W> view = fst.view();
    if (view.start == kNoState) {
      fst_error("H: no path leads through the topology of phone ", phone, "; expected a way to its last state");
    }
    const bool shared =
        view.states[view.start].arcs == 1 && is_zero(view.states[view.start].final) && !start_in_cycle(fst);
    const auto before = static_cast<StateId>(rest_.states.size());
    const auto place = [&](StateId s) {
      if (!shared) return before + s;
      return s == view.start ? 0 : before + s - (s > view.start);
    };
    if (!shared) loop_.push_back({0, label, W::one(), place(view.start)});
    for (StateId s = 0; s < StateId(view.num_states); ++s) {
      const bool first = shared && s == view.start;
      if (!first) rest_.open();
      for (Arc<W> arc : view.arcs_of(s)) {
        arc.olabel = first ? label : 0;
        arc.nextstate = place(arc.nextstate);
        if (first) {
          loop_.push_back(arc);
        } else {
          rest_.add(arc);
        }
      }
      if (!is_zero(view.states[s].final)) rest_.add({0, 0, view.states[s].final, 0});
    }
    // Of a label with several ways to begin the first arc is an epsilon, and the only one with the label.
    first_.push_back(loop_.back());
  }

  // The phone's HMM as an acceptor of transition-ids without self-loops.
  Fst<W> hmm(std::int32_t phone, std::span<const std::int32_t> pdfs) {
    const TransitionTables& t = transitions_.tables();
    const std::int32_t entry = phone >= 0 && std::size_t(phone) < t.entry_of.size() ? t.entry_of[phone] : -1;
    if (entry < 0) fst_error("H: phone ", phone, " has no entry in the topology of the transition model");
    FstBuilder<W> made;
    made.start = 0;
    const std::int32_t begin = t.first_state[entry], end = t.first_state[entry + 1];
    for (std::int32_t s = begin; s < end; ++s) {
      made.open(s + 1 == end ? W::one() : W::zero());
      const std::int32_t forward = t.pdf_classes[2 * s], self_loop = t.pdf_classes[2 * s + 1];
      const bool emits = forward != kNoPdf;
      if (emits && std::size_t(std::max(forward, self_loop)) >= pdfs.size()) {
        fst_error("H: phone ", phone, " has pdf-class ", std::max(forward, self_loop), ", and ", pdfs.size(),
                  " pdfs were given");
      }
      for (std::int32_t i = t.first_transition[s]; i < t.first_transition[s + 1]; ++i) {
        if (t.destination[i] == s - begin) continue;
        Label label = 0;
        float log_prob = std::log(t.probability[i]);
        if (emits) {
          const std::int32_t state = transitions_.state(phone, s - begin, pdfs[forward], pdfs[self_loop]);
          label = transitions_.first_id(state) + (i - t.first_transition[s]);
          log_prob = transitions_.log_prob(label) - transitions_.non_self_loop(state);
        }
        made.add({label, label, {-log_prob}, t.destination[i]});
      }
    }
    Fst<W> fst = remove_epsilons_locally(made.finish());
    // The scale comes after epsilons have been removed, as their costs are on the way.
    const View<W> view = fst.view();
    FstBuilder<W> scaled;
    scaled.start = view.start;
    for (StateId s = 0; s < StateId(view.num_states); ++s) {
      const W final = view.states[s].final;
      scaled.open(is_zero(final) ? final : W{final.value * scale_});
      for (Arc<W> arc : view.arcs_of(s)) {
        arc.weight.value *= scale_;
        scaled.add(arc);
      }
    }
    return scaled.finish();
  }

  ContextLabels labels_;
  const Transitions& transitions_;
  float scale_;
  Work work_;
  FstBuilder<W> rest_;  // all but the arcs of the loop's state
  std::vector<Arc<W>> loop_;
  std::vector<Label> disambig_;
  Sequences keys_;  // (pdfs, phone)
  std::vector<Label> key_;
  std::vector<Arc<W>> first_;  // by key: its arc of the loop's state
};

}  // namespace

HTransducer h_transducer(const ContextLabels& labels, const Transitions& transitions, float transition_scale,
                         Bounds bounds) {
  const std::size_t count = labels.begins.empty() ? 0 : labels.begins.size() - 1;
  if (labels.begins.empty() || labels.begins[0] != 0 || labels.begins[count] != std::int64_t(labels.symbols.size()) ||
      labels.pdfs.size() != count * labels.classes || labels.width < 1 || labels.central < 0 ||
      labels.central >= labels.width) {
    fst_error("H: the tables of the windows do not fit together");
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t size = labels.begins[i + 1] - labels.begins[i];
    const bool special = size == 1 && labels.begins[i] >= 0 &&
                         std::size_t(labels.begins[i]) < labels.symbols.size() &&
                         labels.symbols[std::size_t(labels.begins[i])] <= 0;
    if (i == 0 ? size != 0 : size != labels.width && !special) {
      fst_error("H: label ", i, " has a window of ", size, " phones; expected ", i == 0 ? 0 : labels.width,
                i == 0 ? " for epsilon" : ", as the tree has it: is the context that of the tree?");
    }
  }
  return HBuilder(labels, transitions, transition_scale, bounds).run();
}

}  // namespace sonant
