// What a search adds to a network's scores (shallow fusion): a language model over words or tokens, a bonus for each
// word, the limits of a lexicon, hot words. A hypothesis is a sequence of tokens and of the choices of words that
// they spell, and has, besides the probability of its tokens,
//
//   weight * ln p(words or tokens) + word_bonus * words + boosts of the hot words that were earned
//
// While it grows something is lent to it besides: the best unigram among the words that its last tokens may become
// (look-ahead), and what hot words have pending. All that is given back when they are, so that it decides on pruning
// alone.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "search/hot_words.h"
#include "search/hypothesis.h"
#include "lm/on_demand.h"
#include "search/spelling.h"

namespace sonant {

// The part that many searches share.
struct FusionModel {
  Spelling spelling;
  OnDemandPtr lm;  // or null
  bool lm_over_tokens = false;
  std::vector<std::int32_t> lm_labels;  // by word or token; -1 where the model has none
  std::int32_t unknown_label = -1;      // of words that have no number
  StateId unigram_state = kNoState;     // after no words, or after one that is unknown; kNoState: the model's start
  double lm_weight = 1.0, word_bonus = 0.0;
  double unknown_score = 0.0;  // of words that the model has not
  double lm_most = 0.0;        // what the model cannot exceed
  bool ends = true;            // the end of a sentence costs what the model says
  std::int64_t tokens = 0;     // of the table; 0 where there is none

  // Found by `prepare`:
  std::vector<float> look_ahead;           // by node of the lexicon, empty for none
  std::vector<std::int32_t> used_tokens;  // of the lexicon, sorted

  void prepare(bool looks_ahead);
};

// The natural logarithm that no word's probability exceeds: 0, but for rounding and odd backoffs.
double most_probable(const NgramLm& lm);

// A search without any of it, at no cost.
struct NoFusion {
  static constexpr bool kNone = true;
  struct Context {};
  struct Ending {
    double score, lm;
    bool complete;
  };
  Context start() const { return {}; }
  double most() const { return 0.0; }
  double base(const Context&) const { return 0.0; }
  double rank(const Context&) const { return 0.0; }
  // Calls emit(token, choice, rank) for each token, best first, until one is not worth it.
  template <class Worth, class Emit>
  void each(const Context&, std::span<const std::int32_t> tokens, Worth worth, Emit emit) {
    for (const std::int32_t token : tokens) {
      if (!worth(token)) break;
      emit(token, Spelling::kNoWord, 0.0);
    }
  }
  Context grow(const Context&, std::int32_t, std::int32_t) const { return {}; }
  Ending end(const Context&, bool) const { return {0.0, 0.0, true}; }
  void expect(std::int64_t, std::int32_t) const {}
  [[noreturn]] void set_hot_words(const std::vector<Phrase>&, const std::vector<Phrase>&, std::int64_t,
                                  std::int32_t) const {
    throw SearchError("hot words: found a search that was made without fusion, expected one with Fusion()");
  }
  bool spells() const { return false; }
  bool is_beginning(std::int32_t) const { return true; }
  void write_words(std::span<const std::int32_t>, std::span<const std::int32_t>, std::int32_t, bool,
                   Hypothesis&) const {}
};

class Fusion {
 public:
  static constexpr bool kNone = false;
  struct Context {
    std::int32_t spelled = Spelling::kRoot;
    StateId lm = 0;
    std::int32_t hot_token = HotWords::kRoot, hot_word = HotWords::kRoot;
    double lm_score = 0.0, extra = 0.0;  // the model's, unweighted; all else that is earned
    double pending = 0.0;                // lent
  };
  using Ending = NoFusion::Ending;

  explicit Fusion(std::shared_ptr<const FusionModel> model);

  // Phrases of tokens and of words; contexts that there are need `rejoin` afterwards. Throws SearchError where they do not
  // fit scores with so many tokens (0: not known yet), and is then unchanged.
  void set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words, std::int64_t size,
                     std::int32_t blank);
  // The context in an automaton of new hot words: what is earned stays, what is pending is that of the new ones.
  // The last tokens and choices, `longest()` of tokens or more as far as there are.
  void rejoin(Context& context, std::span<const std::int32_t> tokens, std::span<const std::int32_t> choices) const;
  std::int32_t longest_tokens() const { return hot_tokens_.longest(); }
  std::int32_t longest_words() const { return hot_words_.longest(); }

  // Throws SearchError where the table of tokens, the lexicon or the hot words do not fit the scores.
  void expect(std::int64_t tokens, std::int32_t blank) const;

  Context start() const;
  double base(const Context& c) const { return model_->lm_weight * c.lm_score + c.extra; }
  double rank(const Context& c) const { return base(c) + c.pending; }
  // rank(grown) - base(context) is never more.
  double most() const { return most_; }
  Ending end(const Context& context, bool final);

  template <class Worth, class Emit>
  void each(const Context& context, std::span<const std::int32_t> tokens, Worth worth, Emit emit) {
    const Spelling& spelling = model_->spelling;
    if (spelling.kind() != Spelling::Kind::kLexicon) {
      for (const std::int32_t token : tokens) {
        if (!worth(token)) break;
        const std::int32_t choice = text_choice(context, token);
        emit(token, choice, rank(step(context, token, choice, context.spelled)));
      }
      return;
    }
    const auto arc = [&](std::int32_t token, std::int32_t next) {
      if (!spelling.arcs(next).empty()) emit(token, Spelling::kNoWord, rank(step(context, token, Spelling::kNoWord, next)));
      for (std::int32_t i = spelling.entries_begin(next); i < spelling.entries_end(next); ++i) {
        emit(token, i, rank(step(context, token, i, Spelling::kRoot)));
      }
    };
    const auto arcs = spelling.arcs(context.spelled);
    if (arcs.size() <= 4 * tokens.size()) {
      for (const auto& [token, next] : arcs) {
        if (worth(token)) arc(token, next);
      }
      return;
    }
    for (const std::int32_t token : tokens) {
      if (!worth(token)) break;
      if (const std::int32_t next = spelling.next(context.spelled, token); next != Spelling::kNowhere) arc(token, next);
    }
  }
  Context grow(const Context& context, std::int32_t token, std::int32_t choice);

  bool spells() const { return model_->spelling.kind() != Spelling::Kind::kNone; }
  // Whether the words from this token on can be read without the tokens before it.
  bool is_beginning(std::int32_t token) const {
    return model_->spelling.kind() != Spelling::Kind::kText || model_->spelling.token(token).begins;
  }
  // The words that end after the first `skip` tokens, and the last one where it is final.
  void write_words(std::span<const std::int32_t> tokens, std::span<const std::int32_t> choices, std::int32_t skip,
                   bool final, Hypothesis& hypothesis) const;

 private:
  // Steps of the language model that were asked for last.
  struct Step {
    StateId state = kNoState, next = kNoState;
    std::int32_t label = 0;
    double score = 0.0;
  };

  std::int32_t text_choice(const Context& context, std::int32_t token) const {
    const Spelling& spelling = model_->spelling;
    return spelling.kind() == Spelling::Kind::kText && spelling.token(token).begins ? spelling.word(context.spelled)
                                                                                   : Spelling::kNoWord;
  }
  // Does not walk on in text: where that leads only `grow` has to know.
  Context step(const Context& context, std::int32_t token, std::int32_t choice, std::int32_t spelled) {
    Context next = context;
    next.spelled = spelled;
    if (!hot_tokens_.empty()) {
      next.hot_token = hot_tokens_.step(context.hot_token, token);
      next.extra += hot_tokens_.earned(next.hot_token);
    }
    if (model_->lm && model_->lm_over_tokens) listen(next, token);
    if (choice != Spelling::kNoWord) say(next, choice);
    lend(next);
    return next;
  }
  void say(Context& context, std::int32_t choice);
  void listen(Context& context, std::int32_t word_or_token);
  void lend(Context& context) const {
    context.pending = hot_tokens_.pending(context.hot_token) + hot_words_.pending(context.hot_word);
    if (!model_->look_ahead.empty()) context.pending += model_->lm_weight * model_->look_ahead[context.spelled];
  }
  const Step& look_up(StateId state, std::int32_t label);

  std::shared_ptr<const FusionModel> model_;
  HotWords hot_tokens_, hot_words_;
  std::vector<std::int32_t> hot_tokens_used_;
  double most_ = 0.0;
  StateId start_ = 0, unigram_state_ = 0;
  std::vector<Step> steps_;
};

}  // namespace sonant
