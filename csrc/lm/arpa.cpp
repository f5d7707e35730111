#include "lm/arpa.h"

#include <algorithm>
#include <cmath>

#include "fst/error.h"
#include "files/parse_number.h"

namespace sonant {

namespace {

constexpr std::string_view kBlank = " \t\r\n\v\f";
constexpr std::size_t kHighestOrder = 64;

std::string_view trimmed(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kBlank);
  return last == text.npos ? std::string_view() : text.substr(0, last + 1);
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Fields between blanks and tabs; false where there are more than `most`.
bool split(std::string_view line, std::vector<std::string_view>& fields, std::size_t most) {
  fields.clear();
  const char *at = line.data(), *end = at + line.size();
  while (true) {
    while (at < end && is_blank(*at)) ++at;
    if (at == end) return true;
    if (fields.size() == most) return false;
    const char* start = at;
    while (at < end && !is_blank(*at)) ++at;
    fields.emplace_back(start, at - start);
  }
}

// -infinity is one, of 0.
bool parse_logarithm(std::string_view text, float& value) { return parse_float(text, value) && natural(value) < HUGE_VALF; }

class Reader {
 public:
  Reader(Input& in, WordTable* words, const ArpaOptions& options, ArpaSink& sink)
      : in_(in), lines_(in), words_(words), options_(options), sink_(sink) {}

  ArpaWarnings read() {
    check_options();
    read_counts();
    sink_.begin(counts_);
    for (std::size_t order = 1; order <= counts_.size(); ++order) read_section(order);
    if (line_ != "\\end\\") error("found '", shown(line_), "'; expected \\end\\");
    sink_.end();
    return std::move(warnings_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void error(const Parts&... parts) {
    fst_error(in_.name(), ":", lines_.number(), ": ", parts...);
  }

  // For a message: not too long, and nothing that ends or mixes up what is printed.
  static std::string shown(std::string_view text) {
    std::string made(text.substr(0, 60));
    for (char& c : made) {
      if (static_cast<unsigned char>(c) < ' ' && c != '\t') c = '?';
    }
    return text.size() > 60 ? made + "..." : made;
  }

  template <class... Parts>
  void warn(const Parts&... parts) {
    ++warnings_.count;
    if (options_.max_warnings >= 0 && warnings_.count > options_.max_warnings) return;
    std::ostringstream text;
    text << in_.name() << ":" << lines_.number() << ": ";
    (text << ... << parts);
    warnings_.texts.push_back(text.str());
  }

  // The next line that is not blank.
  bool next() {
    std::string_view raw;
    while (lines_.next(raw)) {
      line_ = trimmed(raw);
      if (!line_.empty()) return true;
    }
    line_ = {};
    return false;
  }

  void check_options() {
    const auto& o = options_;
    if (o.bos <= 0 || o.eos <= 0 || o.bos == o.eos) {
      fst_error("the symbols of <s> and </s> are ", o.bos, " and ", o.eos,
                "; expected two different ones, neither of them epsilon (0)");
    }
    if (words_ && o.oov == Oov::kReplaceWithUnk && (o.unk <= 0 || o.unk == o.bos || o.unk == o.eos)) {
      fst_error("the symbol of <unk> is ", o.unk, "; words that are not in the table are to become <unk>, ",
                "which needs a symbol of its own");
    }
  }

  void read_counts() {
    bool found = false;
    std::vector<std::string_view> fields;
    std::string spread;
    while (next()) {
      if (!found) {
        found = line_ == "\\data\\";
        continue;
      }
      if (line_[0] == '\\') break;
      spread = line_;
      if (const std::size_t equals = spread.find('='); equals != spread.npos) spread.replace(equals, 1, " = ");
      std::int64_t order = 0, count = 0;
      if (!split(spread, fields, 4) || fields.size() != 4 || fields[0] != "ngram" || fields[2] != "=") {
        warn("'", shown(line_), "' is skipped; expected 'ngram ORDER=COUNT'");
        continue;
      }
      if (!parse_integer(fields[1], order) || !parse_integer(fields[3], count) || order < 1 || count < 0) {
        error("'", shown(line_), "'; expected 'ngram ORDER=COUNT'");
      }
      if (order > std::int64_t(kHighestOrder)) {
        error("n-grams of order ", order, "; expected at most ", kHighestOrder);
      }
      if (std::int64_t(counts_.size()) < order) counts_.resize(order, 0);
      counts_[order - 1] = count;
    }
    if (!found) {
      error("there is no line \\data\\: this is no ARPA file (a binary model, or one that is compressed?)");
    }
    if (counts_.empty()) error("the section \\data\\ has no line 'ngram 1=COUNT'");
  }

  void read_section(std::size_t order) {
    const std::string expected = "\\" + std::to_string(order) + "-grams:";
    if (line_ != expected) error("found '", shown(line_), "'; expected ", expected);
    if (counts_[order - 1] == 0) warn("no n-grams of order ", order);
    const std::string following = "\\" + std::to_string(order + 1) + "-grams:";
    const bool highest = order == counts_.size();
    std::int64_t seen = 0;
    std::vector<std::string_view> fields;
    std::vector<std::int32_t> words(order);
    while (next()) {
      if (line_[0] == '\\') {
        if (line_ == following || line_ == "\\end\\") break;
        // A word may begin with a backslash, but a line of an n-gram with a number.
        warn("'", shown(line_), "' is skipped; expected an n-gram, ", following, " or \\end\\");
        continue;
      }
      if (!split(line_, fields, order + 2) || fields.size() < order + 1) {
        error("'", shown(line_), "'; expected a logarithm, ", order, " words", highest ? "" : ", and a backoff or none");
      }
      ++seen;
      ArpaNgram ngram{words};
      if (!parse_logarithm(fields[0], ngram.logprob)) {
        error("'", shown(fields[0]), "' is no logarithm of a probability");
      }
      if (fields.size() == order + 2 && !parse_logarithm(fields[order + 1], ngram.backoff)) {
        error("'", shown(fields[order + 1]), "' is no logarithm of a backoff");
      }
      if (ngram.logprob > 0) {
        // Rounding, or a model that is not normalized; Kaldi takes it as it is.
        warn("the probability of '", shown(line_), "' is above 1");
      }
      bool skip = false;
      for (std::size_t i = 0; i < order && !skip; ++i) skip = !number(fields[1 + i], words[i]);
      if (skip) continue;
      if (const char* why = sink_.take(ngram)) warn("'", shown(line_), "' is skipped: ", why);
    }
    if (seen != counts_[order - 1]) {
      if (seen > counts_[order - 1]) {
        error("more n-grams of order ", order, " (", seen, ") than the header promises (", counts_[order - 1], ")");
      }
      warn(seen, " n-grams of order ", order, "; the header promises ", counts_[order - 1]);
    }
  }

  // False where the n-gram is to be skipped.
  bool number(std::string_view text, std::int32_t& word) {
    if (!words_) {
      if (!parse_integer(text, word) || word < 0) error("'", shown(text), "' is no number of a word (there is no symbol table)");
    } else if (options_.oov == Oov::kAdd) {
      word = words_->add(text);
    } else if (word = words_->find(text); word == WordTable::kNone) {
      switch (options_.oov) {
        case Oov::kReplaceWithUnk:
          word = options_.unk;
          break;
        case Oov::kSkip:
          warn("'", shown(line_), "' is skipped: the word '", shown(text), "' is not in the symbol table");
          return false;
        default:
          error("the word '", shown(text), "' is not in the symbol table");
      }
    }
    if (word == 0) error("the word '", shown(text), "' has the symbol of epsilon (0)");
    return true;
  }

  Input& in_;
  Lines lines_;
  WordTable* words_;
  const ArpaOptions& options_;
  ArpaSink& sink_;
  std::string_view line_;
  std::vector<std::int64_t> counts_;
  ArpaWarnings warnings_;
};

}  // namespace

ArpaWarnings read_arpa(Input& in, WordTable* words, const ArpaOptions& options, ArpaSink& sink) {
  return Reader(in, words, options, sink).read();
}

}  // namespace sonant
