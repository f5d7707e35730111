#include "search/fusion.h"

#include <algorithm>
#include <cmath>

#include "lm/ngram_lm.h"

namespace sonant {

namespace {

constexpr double kLn10 = 2.302585092994045684;
constexpr std::size_t kSteps = 1 << 14;
constexpr double kRounding = 1e-3;  // costs of a model are floats

void check_tokens(const char* where, std::span<const std::int32_t> tokens, std::int64_t size, std::int32_t blank) {
  for (const std::int32_t token : tokens) {
    if (token >= 0 && token < size && token != blank) continue;
    throw SearchError(std::string(where) + ": found the token " + std::to_string(token) + ", expected one of the " +
                      std::to_string(size) + " that the scores have, the blank (" + std::to_string(blank) +
                      ") excepted");
  }
}

}  // namespace

double most_probable(const NgramLm& lm) {
  float most = NgramLm::kNoProbability;
  double backoffs = 0.0;
  for (std::size_t order = 1; order <= lm.order(); ++order) {
    float largest = 0;
    for (NgramLm::Node node = lm.first(order); node < lm.first(order + 1); ++node) {
      most = std::max(most, lm.logprob(node));
      largest = std::max(largest, lm.backoff(node));
    }
    backoffs += largest;
  }
  return kLn10 * (most + backoffs) + kRounding;
}

// Children have larger numbers than their parents.
void FusionModel::prepare(bool looks_ahead) {
  if (spelling.kind() == Spelling::Kind::kLexicon) {
    for (std::int32_t node = 0; node < spelling.nodes(); ++node) {
      for (const auto& [token, next] : spelling.arcs(node)) used_tokens.push_back(token);
    }
    std::ranges::sort(used_tokens);
    const auto rest = std::ranges::unique(used_tokens);
    used_tokens.erase(rest.begin(), rest.end());
  }
  if (lm) lm_most = std::max(lm_most, unknown_score);
  if (lm && unigram_state == kNoState) unigram_state = lm->start();
  if (lm && unigram_state == kNoState) throw SearchError("language model: found no start state, expected one");
  if (!looks_ahead || !lm || lm_over_tokens || spelling.kind() != Spelling::Kind::kLexicon) return;
  std::vector<float> words(spelling.words());
  for (std::size_t word = 0; word < words.size(); ++word) {
    const sonant::Step found = lm_labels[word] < 0 ? sonant::Step{} : lm->step(unigram_state, lm_labels[word]);
    words[word] = found.next == kNoState ? static_cast<float>(unknown_score) : -found.cost;
  }
  look_ahead.assign(spelling.nodes(), -std::numeric_limits<float>::infinity());
  for (std::int32_t node = spelling.nodes(); node-- > 0;) {
    float& most = look_ahead[node];
    for (std::int32_t i = spelling.entries_begin(node); i < spelling.entries_end(node); ++i) {
      most = std::max(most, words[spelling.entry(i).word]);
    }
    for (const auto& [token, next] : spelling.arcs(node)) most = std::max(most, look_ahead[next]);
  }
  look_ahead[Spelling::kRoot] = 0;  // nothing is lent between words
}

Fusion::Fusion(std::shared_ptr<const FusionModel> model) : model_(std::move(model)) {
  if (model_->lm) {
    steps_.resize(kSteps);
    start_ = model_->lm->start();
    unigram_state_ = model_->unigram_state;
  }
  set_hot_words({}, {}, 0, 0);
}

void Fusion::set_hot_words(const std::vector<Phrase>& tokens, const std::vector<Phrase>& words, std::int64_t size,
                           std::int32_t blank) {
  HotWords hot_tokens(tokens), hot_words(words);
  std::vector<std::int32_t> used;
  for (const Phrase& phrase : tokens) used.insert(used.end(), phrase.labels.begin(), phrase.labels.end());
  if (size > 0) check_tokens("hot words", used, size, blank);
  hot_tokens_ = std::move(hot_tokens);
  hot_words_ = std::move(hot_words);
  hot_tokens_used_ = std::move(used);
  const double lm = model_->lm && model_->lm_weight > 0 ? std::max(model_->lm_weight * model_->lm_most, 0.0) : 0.0;
  most_ = lm + std::max(model_->word_bonus, 0.0) + hot_tokens_.most() + hot_words_.most();
}

void Fusion::rejoin(Context& context, std::span<const std::int32_t> tokens,
                    std::span<const std::int32_t> choices) const {
  context.hot_token = context.hot_word = HotWords::kRoot;
  const bool lexicon = model_->spelling.kind() == Spelling::Kind::kLexicon;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    context.hot_token = hot_tokens_.step(context.hot_token, tokens[i]);
    if (choices[i] == Spelling::kNoWord) continue;
    context.hot_word =
        hot_words_.step(context.hot_word, lexicon ? model_->spelling.entry(choices[i]).word : choices[i]);
  }
  lend(context);
}

void Fusion::expect(std::int64_t size, std::int32_t blank) const {
  if (model_->tokens > 0 && size != model_->tokens) {
    throw SearchError("scores have " + std::to_string(size) + " tokens (columns), expected " +
                      std::to_string(model_->tokens) + ": those of the table that the fusion was made with");
  }
  check_tokens("lexicon", model_->used_tokens, size, blank);
  check_tokens("hot words", hot_tokens_used_, size, blank);
}

Fusion::Context Fusion::start() const {
  Context context;
  context.lm = start_;
  return context;
}

const Fusion::Step& Fusion::look_up(StateId state, std::int32_t label) {
  const std::uint64_t key = std::uint64_t(std::uint32_t(state)) << 32 | std::uint32_t(label);
  Step& slot = steps_[(key * 0x9e3779b97f4a7c15 ^ key >> 29) >> 40 & (kSteps - 1)];
  if (slot.state == state && slot.label == label) return slot;
  const sonant::Step found = label < 0 ? sonant::Step{} : model_->lm->step(state, label);
  const bool known = found.next != kNoState && found.cost != kInfinity;
  slot = {state, known ? found.next : unigram_state_, label,
          known ? -static_cast<double>(found.cost) : model_->unknown_score};
  return slot;
}

void Fusion::listen(Context& context, std::int32_t word_or_token) {
  const Step& step = look_up(context.lm, word_or_token < 0 ? model_->unknown_label : model_->lm_labels[word_or_token]);
  context.lm_score += step.score;
  context.lm = step.next;
}

// A word ends: in a lexicon the choice is its pronunciation, else itself.
void Fusion::say(Context& context, std::int32_t choice) {
  std::int32_t word = choice;
  if (model_->spelling.kind() == Spelling::Kind::kLexicon) {
    const Spelling::Entry& entry = model_->spelling.entry(choice);
    context.extra += entry.log_prob;
    word = entry.word;
  }
  if (model_->lm && !model_->lm_over_tokens) listen(context, word);
  context.extra += model_->word_bonus;
  if (!hot_words_.empty()) {
    context.hot_word = hot_words_.step(context.hot_word, word);
    context.extra += hot_words_.earned(context.hot_word);
  }
}

Fusion::Context Fusion::grow(const Context& context, std::int32_t token, std::int32_t choice) {
  const Spelling& spelling = model_->spelling;
  if (spelling.kind() == Spelling::Kind::kNone) return step(context, token, choice, context.spelled);
  if (spelling.kind() == Spelling::Kind::kText) {
    return step(context, token, choice, spelling.walk(context.spelled, token));
  }
  return step(context, token, choice,
              choice == Spelling::kNoWord ? spelling.next(context.spelled, token) : Spelling::kRoot);
}

Fusion::Ending Fusion::end(const Context& context, bool final) {
  if (!final) return {rank(context), context.lm_score, true};
  const Spelling& spelling = model_->spelling;
  Context last = context;
  if (spelling.kind() == Spelling::Kind::kLexicon && last.spelled != Spelling::kRoot) {
    return {base(last), last.lm_score, false};
  }
  if (spelling.kind() == Spelling::Kind::kText && spelling.word(last.spelled) != Spelling::kNoWord) {
    say(last, spelling.word(last.spelled));
  }
  if (model_->lm && model_->ends) {
    const float cost = model_->lm->final(last.lm);
    last.lm_score += std::isfinite(cost) ? -static_cast<double>(cost) : model_->unknown_score;
  }
  return {base(last), last.lm_score, true};
}

void Fusion::write_words(std::span<const std::int32_t> tokens, std::span<const std::int32_t> choices,
                         std::int32_t skip, bool final, Hypothesis& hypothesis) const {
  const Spelling& spelling = model_->spelling;
  const auto add = [&](const std::string& word, std::size_t end) {
    hypothesis.words.push_back(word);
    hypothesis.word_ends.push_back(static_cast<std::int32_t>(end) - skip);
  };
  const auto first = static_cast<std::size_t>(skip);
  if (spelling.kind() == Spelling::Kind::kLexicon) {
    for (std::size_t i = first; i < tokens.size(); ++i) {
      if (choices[i] != Spelling::kNoWord) add(spelling.name(spelling.entry(choices[i]).word), i + 1);
    }
  } else if (spelling.kind() == Spelling::Kind::kText) {
    std::string text;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const Spelling::Token& token = spelling.token(tokens[i]);
      if (token.begins) {
        if (!text.empty() && i >= first) add(text, i);
        text.clear();
      }
      text += token.text;
    }
    if (final && !text.empty() && tokens.size() >= first) add(text, tokens.size());
  }
}

}  // namespace sonant
