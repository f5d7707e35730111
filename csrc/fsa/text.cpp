#include "fsa/text.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "files/parse_number.h"
#include "fst/error.h"
#include "fst/work.h"

namespace sonant {
namespace {

constexpr std::int64_t kMostNumber = std::numeric_limits<std::int32_t>::max() - 1;
constexpr std::string_view kSpace = " \t\r\v\f";

// Words, and lists in brackets, each whole.
void fields_of(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  for (std::size_t at = line.find_first_not_of(kSpace); at != line.npos; at = line.find_first_not_of(kSpace, at)) {
    std::size_t end;
    if (line[at] == '[') {
      end = line.find(']', at);
      if (end == line.npos) fst_error("a list that is not closed");
      ++end;
    } else {
      end = at;
      while (end < line.size() && line[end] != '[' && kSpace.find(line[end]) == kSpace.npos) ++end;
    }
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
}

std::int32_t integer(std::string_view word) {
  std::int64_t value = 0;
  const std::string_view digits = word.starts_with('+') ? word.substr(1) : word;
  if (!parse_integer(digits, value)) {
    const bool long_one = !digits.empty() && digits.find_first_not_of("0123456789", digits[0] == '-') == digits.npos;
    fst_error(long_one ? "" : "'", word, long_one ? ", expected -1 to " + std::to_string(kMostNumber) : "' is no integer");
  }
  if (value < -1 || value > kMostNumber) fst_error(value, ", expected -1 to ", kMostNumber);
  return std::int32_t(value);
}

float real(std::string_view word) {
  float value = 0;
  if (!parse_float(word, value)) fst_error("'", word, "' is no number");
  return value;
}

void list(std::string_view word, FsaTextLists& to) {
  if (word[0] != '[') fst_error("'", word, "', where a list in brackets was expected");
  word = word.substr(1, word.size() - 2);
  while (true) {
    const std::size_t begin = word.find_first_not_of(" \t\r\v\f,");
    if (begin == word.npos) break;
    const std::size_t end = std::min(word.size(), word.find_first_of(" \t\r\v\f,", begin));
    to.values.push_back(integer(word.substr(begin, end - begin)));
    word = word.substr(end);
  }
  to.splits.push_back(std::int32_t(to.values.size()));
}

void read_arc(const std::vector<std::string_view>& fields, const FsaTextFormat& format, FsaText& made) {
  const std::size_t plain = std::size_t(3 + format.aux), width = plain + std::size_t(format.ragged);
  if (fields.size() != width && fields.size() != width + 1) {
    fst_error(fields.size(), " fields, expected ", width, ", and a ", format.openfst ? "cost" : "score");
  }
  const std::int32_t before = made.scores.empty() ? -1 : made.columns[made.columns.size() - plain];
  for (std::size_t i = 0; i < plain; ++i) made.columns.push_back(integer(fields[i]));
  const std::int32_t* row = made.columns.data() + made.columns.size() - plain;
  for (std::size_t i = plain; i < width; ++i) list(fields[i], made.ragged[i - plain]);
  const float score = fields.size() > width ? real(fields[width]) : 0;
  made.scores.push_back(format.openfst ? -score : score);
  if (format.openfst && row[2] == -1) {
    fst_error("label -1 is for k2's final arcs; OpenFst's final states have lines of their own");
  }
  if (!format.openfst && row[0] < before) fst_error("source ", row[0], " after ", before, "; they never decrease");
}

template <class Number>
void print(std::string& to, Number value) {
  char digits[32];
  if constexpr (std::is_integral_v<Number>) {
    to.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  } else {
    to.append(digits, std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 6).ptr);
  }
}

}  // namespace

FsaText read_fsa_text(std::string_view text, const FsaTextFormat& format) {
  Work work("reading", {}, 0, 0);
  FsaText made;
  made.ragged.resize(std::size_t(format.ragged));
  const auto lines = std::size_t(std::ranges::count(text, '\n')) + 1;
  made.columns.reserve(lines * std::size_t(3 + format.aux));
  made.scores.reserve(lines);
  std::vector<std::string_view> fields;
  const std::size_t of_final = format.openfst ? 2 : 1;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.size(), text.find('\n'));
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    try {
      fields_of(line, fields);
      if (fields.empty()) continue;
      if (!format.openfst && !made.finals.empty()) fst_error("the final state comes last, in one line");
      const bool is_first = made.finals.empty() && made.scores.empty();
      if (fields.size() <= of_final) {
        made.finals.push_back(integer(fields[0]));
        made.final_scores.push_back(fields.size() == 2 ? -real(fields[1]) : 0);
        if (is_first) made.first = made.finals[0];
      } else {
        read_arc(fields, format, made);
        if (is_first) made.first = made.columns[0];
      }
      if (made.scores.size() > std::size_t(kMostNumber)) fst_error("more than ", kMostNumber, " arcs");
    } catch (const FstError& error) {
      while (!line.empty() && kSpace.find(line.back()) != kSpace.npos) line.remove_suffix(1);
      fst_error("no valid Fsa", format.openfst ? " in OpenFst's format" : "", " of ", format.aux, " aux labels: line ", number,
                ", '", line.substr(0, 200), "': ", error.what());
    }
    work.step();
  }
  return made;
}

std::string write_fsa_text(std::span<const std::int32_t> arcs, const float* scores,
                           std::span<const std::span<const std::int32_t>> aux, std::span<const FsaTextLists> ragged,
                           bool openfst) {
  Work work("writing", {}, 0, 0);
  std::string text;
  text.reserve(arcs.size() / 4 * 24);
  for (std::size_t i = 0; i < arcs.size() / 4; ++i) {
    const std::int32_t* arc = arcs.data() + 4 * i;
    const bool ends = openfst && arc[2] == -1;
    print(text, arc[0]);
    for (std::size_t k = 1; k < 3 && !ends; ++k) print(text += ' ', arc[k]);
    for (std::size_t k = 0; k < aux.size() && !ends; ++k) print(text += ' ', aux[k][i]);
    for (std::size_t k = 0; k < ragged.size() && !ends; ++k) {
      text += " [ ";
      for (std::int32_t v = ragged[k].splits[i]; v < ragged[k].splits[i + 1]; ++v) {
        print(text, ragged[k].values[std::size_t(v)]);
        text += ' ';
      }
      text += ']';
    }
    print(text += ' ', openfst ? -scores[i] : scores[i]);
    text += '\n';
    work.step();
  }
  return text;
}

}  // namespace sonant
