#include "lm/const_arpa.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

#include "files/basic_types.h"
#include "fst/error.h"

namespace sonant {

namespace {

constexpr std::int64_t kFarthest = (1 << 30) - 1;
constexpr float kNever = -std::numeric_limits<float>::infinity();

std::int32_t word_at(std::span<const char> states, std::int64_t at) {
  std::int32_t value;
  std::memcpy(&value, states.data() + 4 * at, 4);
  return value;
}

}  // namespace

// ---- From a model

ConstArpa ConstArpa::of(const NgramLm& lm) {
  ConstArpa arpa;
  arpa.bos_ = lm.bos;
  arpa.eos_ = lm.eos;
  arpa.unk_ = lm.unk;
  arpa.order_ = static_cast<std::int32_t>(lm.order());
  using Node = NgramLm::Node;
  const auto has_state = [&](Node node) {
    if (node < lm.first(2)) return true;
    return lm.is_context(node) && (lm.backoff(node) != 0 || lm.children_begin(node) != lm.children_end(node));
  };
  const auto children = [&](Node node) -> std::int64_t {
    return lm.is_context(node) ? lm.children_end(node) - lm.children_begin(node) : 0;
  };
  // Depth first, which is the order of words; `visit` is called with each node that has a state.
  const auto walk = [&](auto visit) {
    std::vector<Node> stack;
    for (Node unigram = lm.first(1); unigram < lm.first(2); ++unigram) {
      stack.assign(1, unigram);
      while (!stack.empty()) {
        const Node node = stack.back();
        stack.pop_back();
        visit(node);
        if (!lm.is_context(node)) continue;
        for (Node child = lm.children_end(node); child-- > lm.children_begin(node);) {
          if (has_state(child)) stack.push_back(child);
        }
      }
    }
  };
  const Node contexts = lm.order() == 1 ? lm.first(2) : lm.first(lm.order());
  std::vector<std::int64_t> address(contexts, 0);
  std::int64_t size = 0;
  walk([&](Node node) {
    address[node] = size;
    size += 3 + 2 * children(node);
  });
  if (lm.order() >= 1 && lm.count(1)) arpa.unigrams_.assign(lm.word(lm.first(2) - 1) + 1, 0);
  auto& states = arpa.made_;
  states.reserve(size);
  walk([&](Node node) {
    if (node < lm.first(2)) arpa.unigrams_[lm.word(node)] = std::int64_t(states.size()) + 1;
    states.push_back(std::bit_cast<std::int32_t>(natural(lm.logprob(node))));
    states.push_back(std::bit_cast<std::int32_t>(natural(lm.backoff(node))));
    states.push_back(static_cast<std::int32_t>(children(node)));
    if (!lm.is_context(node)) return;
    for (Node child = lm.children_begin(node); child < lm.children_end(node); ++child) {
      std::int32_t info;
      if (!has_state(child)) {
        info = std::bit_cast<std::int32_t>(natural(lm.logprob(child))) & ~1;
      } else if (const std::int64_t offset = address[child] - address[node]; offset <= kFarthest) {
        info = static_cast<std::int32_t>(2 * offset + 1);
      } else {
        info = -static_cast<std::int32_t>(2 * arpa.far_.size() + 1);
        arpa.far_.push_back(address[child] + 1);
      }
      states.push_back(lm.word(child));
      states.push_back(info);
    }
  });
  arpa.size_ = size;
  arpa.states_ = {reinterpret_cast<const char*>(states.data()), states.size() * 4};
  return arpa;
}

// ---- Files

void ConstArpa::write(Output& out) const {
  write_token(out, "<ConstArpaLm>");
  write_token(out, "<LmInfo>");
  for (const std::int32_t value : {bos_, eos_, unk_, order_}) write_integer(out, true, value, 4, true);
  write_token(out, "</LmInfo>");
  write_token(out, "<LmStates>");
  write_integer(out, true, size_, 8, true);
  out.write(states_.data(), states_.size());
  write_token(out, "</LmStates>");
  write_token(out, "<LmUnigram>");
  write_integer(out, true, std::int64_t(unigrams_.size()), 4, true);
  out.write(unigrams_.data(), unigrams_.size() * 8);
  write_token(out, "</LmUnigram>");
  write_token(out, "<LmOverflow>");
  write_integer(out, true, std::int64_t(far_.size()), 4, true);
  out.write(far_.data(), far_.size() * 8);
  write_token(out, "</LmOverflow>");
  write_token(out, "</ConstArpaLm>");
}

namespace {

std::vector<std::int64_t> read_offsets(Input& in, std::int64_t size, const char* what) {
  const std::int64_t count = read_integer(in, true, 4, true);
  check_count(in, count, 8, what);
  std::vector<std::int64_t> offsets;
  while (std::int64_t(offsets.size()) < count) {
    const std::size_t done = offsets.size(), part = std::min<std::size_t>(count - done, 1 << 17);
    offsets.resize(done + part);
    in.read(offsets.data() + done, part * 8, what);
  }
  for (const std::int64_t offset : offsets) {
    if (offset < 0 || offset > size) in.error("the offset ", offset, " in ", what, " is not within 0 to ", size);
  }
  return offsets;
}

}  // namespace

ConstArpa ConstArpa::read(Input& in, bool binary) {
  if (!binary) in.error("a const-arpa model in text; Kaldi has these in binary only");
  ConstArpa arpa;
  expect_token(in, true, "<ConstArpaLm>");
  expect_token(in, true, "<LmInfo>");
  for (std::int32_t* value : {&arpa.bos_, &arpa.eos_, &arpa.unk_, &arpa.order_}) {
    *value = static_cast<std::int32_t>(read_integer(in, true, 4, true));
  }
  if (arpa.order_ < 1 || arpa.order_ > 64) in.error("n-grams of order ", arpa.order_, "; expected 1 to 64");
  expect_token(in, true, "</LmInfo>");
  expect_token(in, true, "<LmStates>");
  arpa.size_ = read_integer(in, true, 8, true);
  check_count(in, arpa.size_, 4, "states of a const-arpa model");
  constexpr std::int64_t worth_it = 1 << 16;
  std::shared_ptr<Mapping> owner;
  const char* mapped =
      arpa.size_ >= worth_it ? in.map(std::size_t(arpa.size_) * 4, "states of a const-arpa model", owner) : nullptr;
  if (mapped) {
    arpa.owner_ = owner;
    arpa.states_ = {mapped, std::size_t(arpa.size_) * 4};
  } else {
    while (std::int64_t(arpa.made_.size()) < arpa.size_) {
      const std::size_t done = arpa.made_.size(), part = std::min<std::size_t>(arpa.size_ - done, 1 << 18);
      arpa.made_.resize(done + part);
      in.read(arpa.made_.data() + done, part * 4, "states of a const-arpa model");
    }
    arpa.states_ = {reinterpret_cast<const char*>(arpa.made_.data()), arpa.made_.size() * 4};
  }
  expect_token(in, true, "</LmStates>");
  expect_token(in, true, "<LmUnigram>");
  arpa.unigrams_ = read_offsets(in, arpa.size_, "the unigrams");
  expect_token(in, true, "</LmUnigram>");
  expect_token(in, true, "<LmOverflow>");
  arpa.far_ = read_offsets(in, arpa.size_, "the far states");
  expect_token(in, true, "</LmOverflow>");
  expect_token(in, true, "</ConstArpaLm>");
  return arpa;
}

// ---- Looking up. Nothing that a file says is followed unchecked.

std::int64_t ConstArpa::checked(std::int64_t state) const {
  if (state < 0 || state + 3 > size_) fst_error("a corrupt const-arpa model: a state at ", state, " of ", size_);
  return state;
}

float ConstArpa::real(std::int64_t at) const { return std::bit_cast<float>(word_at(states_, at)); }

std::int32_t ConstArpa::children(std::int64_t state) const {
  const std::int32_t count = word_at(states_, checked(state) + 2);
  if (count < 0 || count > (size_ - state - 3) / 2) {
    fst_error("a corrupt const-arpa model: the state at ", state, " of ", size_, " has ", count, " children");
  }
  return count;
}

bool ConstArpa::child_info(std::int64_t state, std::int32_t word, std::int32_t& info) const {
  std::int64_t begin = 0, end = children(state);
  while (begin < end) {
    const std::int64_t middle = (begin + end) / 2, at = state + 3 + 2 * middle;
    const std::int32_t found = word_at(states_, at);
    if (found == word) {
      info = word_at(states_, at + 1);
      return true;
    }
    (found < word ? begin : end) = found < word ? middle + 1 : middle;
  }
  return false;
}

std::int64_t ConstArpa::child_state(std::int64_t state, std::int32_t info) const {
  if (info % 2 == 0) return kNone;
  const std::int64_t offset = info / 2;
  if (offset > 0) return checked(state + offset);
  if (-offset >= std::int64_t(far_.size())) fst_error("a corrupt const-arpa model: no far state ", -offset);
  return checked(far_[-offset] - 1);
}

std::int64_t ConstArpa::state(std::span<const std::int32_t> history) const {
  std::int64_t at = unigram(history[0]);
  for (std::size_t i = 1; i < history.size() && at != kNone; ++i) {
    std::int32_t info;
    at = child_info(at, history[i], info) ? child_state(at, info) : kNone;
  }
  return at;
}

float ConstArpa::recurse(std::int32_t word, std::span<const std::int32_t> history) const {
  if (history.empty()) {
    const std::int64_t at = unigram(word);
    return at == kNone ? kNever : real(checked(at));
  }
  float backoff = 0;
  if (const std::int64_t at = state(history); at != kNone) {
    std::int32_t info;
    if (child_info(at, word, info)) {
      const std::int64_t child = child_state(at, info);
      return child == kNone ? std::bit_cast<float>(info) : real(child);
    }
    backoff = real(checked(at) + 1);
  }
  return backoff + recurse(word, history.subspan(1));
}

float ConstArpa::logprob(std::int32_t word, std::span<const std::int32_t> history) const {
  if (history.size() + 1 > std::size_t(order_)) history = history.last(order_ - 1);
  std::vector<std::int32_t> mapped(history.begin(), history.end());
  for (std::int32_t& w : mapped) w = known(w);
  return recurse(known(word), mapped);
}

bool ConstArpa::has_history(std::span<const std::int32_t> history) const {
  if (history.empty()) return true;
  const std::int64_t at = state(history);
  return at != kNone && children(at) > 0;
}

// ---- Back to ARPA

void ConstArpa::write_arpa(Output& out, const WordTable* words) const {
  const std::vector<std::string_view> names = words ? words->by_key() : std::vector<std::string_view>();
  const auto number = [](std::string& text, float natural_log) {
    char digits[32];
    // The shortest float whose natural logarithm is this one: what the ARPA file had, or its like.
    const float log10 = static_cast<float>(natural_log / 2.302585092994045684017991454684364208);
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, log10);
    text.append(digits, end);
  };
  std::vector<std::string> sections(order_);
  std::vector<std::int64_t> counts(order_, 0);
  std::vector<std::int32_t> path;
  const auto line = [&](float logprob, float backoff) {
    std::string& text = sections[path.size() - 1];
    number(text, logprob);
    for (std::size_t i = 0; i < path.size(); ++i) {
      text += i ? ' ' : '\t';
      if (!words) {
        text += std::to_string(path[i]);
      } else if (std::size_t(path[i]) < names.size() && path[i] >= 0 && !names[path[i]].empty()) {
        text += names[path[i]];
      } else {
        fst_error("the word ", path[i], " is not in the table");
      }
    }
    if (backoff != 0) number(text += '\t', backoff);
    text += '\n';
    ++counts[path.size() - 1];
  };
  std::int64_t visited = 0;
  const auto visit = [&](auto& self, std::int64_t at) -> void {
    if (++visited > size_) fst_error("a corrupt const-arpa model: more states than there is room for");
    const std::int32_t count = children(at);
    line(real(at), real(at + 1));
    if (count && path.size() == std::size_t(order_)) fst_error("a corrupt const-arpa model: too long an n-gram");
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int32_t word = word_at(states_, at + 3 + 2 * i), info = word_at(states_, at + 4 + 2 * i);
      path.push_back(word);
      const std::int64_t child = child_state(at, info);
      if (child == kNone) {
        line(std::bit_cast<float>(info), 0);
      } else {
        self(self, child);
      }
      path.pop_back();
    }
  };
  for (std::size_t word = 0; word < unigrams_.size(); ++word) {
    if (unigrams_[word] == 0) continue;
    path.assign(1, static_cast<std::int32_t>(word));
    visit(visit, checked(unigrams_[word] - 1));
  }
  std::string head = "\\data\\\n";
  for (std::int32_t n = 0; n < order_; ++n) head += "ngram " + std::to_string(n + 1) + "=" + std::to_string(counts[n]) + "\n";
  out.write(head);
  for (std::int32_t n = 0; n < order_; ++n) {
    out.write("\n\\" + std::to_string(n + 1) + "-grams:\n");
    out.write(sections[n]);
  }
  out.write("\n\\end\\\n");
}

}  // namespace sonant
