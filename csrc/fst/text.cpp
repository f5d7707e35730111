#include "fst/text.h"

#include <charconv>
#include <cstring>

#include "files/parse_number.h"

namespace sonant {

namespace {

constexpr std::string_view kSpace = " \t\r";
// States that a text may number without naming them: a line or two of nonsense must not take all memory.
constexpr std::uint64_t kFreeStates = 1 << 20, kStatesPerLine = 64;

void print_float(std::string& to, float value) {
  if (value == kInfinity) {
    to += "Infinity";
  } else if (value == -kInfinity) {
    to += "-Infinity";
  } else if (value != value) {
    to += "BadNumber";
  } else {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 6).ptr;
    to.append(digits, end);
  }
}

template <class Integer>
void print_integer(std::string& to, Integer value) {
  char digits[24];
  to.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// Cuts `count` floats that commas part; the last takes the rest.
template <int count>
bool parse_floats(std::string_view text, float* values) {
  for (int i = 0; i < count; ++i) {
    const std::size_t comma = i + 1 < count ? text.find(',') : text.size();
    if (comma == text.npos || !parse_float(text.substr(0, comma), values[i])) return false;
    text.remove_prefix(std::min(text.size(), comma + 1));
  }
  return true;
}

void fields_of(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  for (std::size_t at = line.find_first_not_of(kSpace); at != line.npos; at = line.find_first_not_of(kSpace, at)) {
    const std::size_t end = std::min(line.size(), line.find_first_of(kSpace, at));
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
}

}  // namespace

template <class W>
void print_weight(std::string& to, const W& weight, const StringsOf<W>& strings) {
  if constexpr (has_strings<W>) {
    print_weight(to, weight.weight, {});
    to += ',';
    bool first = true;
    for (const std::int32_t symbol : strings.of(weight)) {
      if (!first) to += '_';
      first = false;
      print_integer(to, symbol);
    }
  } else {
    float values[W::floats];
    std::memcpy(values, &weight, sizeof weight);
    for (int i = 0; i < W::floats; ++i) {
      if (i) to += ',';
      print_float(to, values[i]);
    }
  }
}

template <class W>
bool parse_weight(std::string_view text, W& weight, StringsOf<W>& strings) {
  if constexpr (has_strings<W>) {
    const std::size_t comma = text.rfind(',');
    LatticeWeight costs;
    NoStrings none;
    if (comma == text.npos || !parse_weight(text.substr(0, comma), costs, none)) return false;
    std::string_view rest = text.substr(comma + 1);
    std::vector<std::int32_t> string;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.size(), rest.find('_'));
      std::int32_t symbol;
      if (!parse_integer(rest.substr(0, end), symbol) || end + 1 == rest.size()) return false;
      string.push_back(symbol);
      rest.remove_prefix(std::min(rest.size(), end + 1));
    }
    if (strings.symbols.size() + string.size() > kMostSymbols) return false;
    weight = string.empty() ? CompactWeight{costs, 0, 0} : strings.add(costs, string);
    return true;
  } else {
    float values[W::floats];
    if (!parse_floats<W::floats>(text, values)) return false;
    std::memcpy(&weight, values, sizeof weight);
    return true;
  }
}

// ---- Printing

template <class W>
std::string print_fst(const View<W>& fst, const PrintOptions& options) {
  std::string to;
  const auto print_label = [&](std::int64_t label, const Symbols* symbols) {
    if (!symbols) return print_integer(to, label);
    if (const auto found = symbols->by_key.find(label); found != symbols->by_key.end()) {
      to += found->second;
    } else if (!options.missing_symbol.empty()) {
      to += options.missing_symbol;
    } else {
      fst_error("the label ", label, " has no symbol in the symbol table '", symbols->name,
                "'; give missing_symbol, or a table that has it");
    }
  };
  bool acceptor = options.acceptor;
  for (StateId s = 0; acceptor && s < static_cast<StateId>(fst.num_states); ++s) {
    for (const Arc<W>& arc : fst.arcs_of(s)) acceptor &= arc.ilabel == arc.olabel;
  }
  const auto print_state = [&](StateId s) {
    const auto arcs = fst.arcs_of(s);
    for (const Arc<W>& arc : arcs) {
      print_label(s, options.ssymbols);
      to += '\t';
      print_label(arc.nextstate, options.ssymbols);
      to += '\t';
      print_label(arc.ilabel, options.isymbols);
      if (!acceptor) {
        to += '\t';
        print_label(arc.olabel, options.osymbols);
      }
      if (options.show_weight_one || !is_one(arc.weight)) {
        to += '\t';
        print_weight(to, W(arc.weight), *fst.strings);
      }
      to += '\n';
    }
    const W final = fst.states[s].final;
    if (is_zero(final) && !arcs.empty()) return;
    print_label(s, options.ssymbols);
    if (options.show_weight_one || !is_one(final)) {
      to += '\t';
      print_weight(to, final, *fst.strings);
    }
    to += '\n';
  };
  if (fst.start == kNoState) return to;
  print_state(fst.start);
  for (StateId s = 0; s < static_cast<StateId>(fst.num_states); ++s) {
    if (s != fst.start) print_state(s);
  }
  return to;
}

// ---- Reading

namespace {

// A line of text; nextstate is kNoState where it tells of a final state.
template <class W>
struct Line {
  StateId state, nextstate = kNoState;
  Label ilabel = 0, olabel = 0;
  W weight = W::one();
};

// Builds an automaton from lines with states as they are numbered.
template <class W>
class Lines {
 public:
  explicit Lines(Fst<W> fst = {}) : fst_(std::move(fst)) {}

  // False where states have such numbers that no such text can be meant.
  bool add(const Line<W>& line) {
    ++count_;
    const std::uint64_t most = std::uint64_t(std::max(line.state, line.nextstate)) + 1;
    if (most > kFreeStates && most > kStatesPerLine * count_) return false;
    grow(line.state);
    if (count_ == 1) fst_.set_start(line.state);
    if (line.nextstate == kNoState) {
      fst_.set_final(line.state, line.weight);
    } else {
      fst_.add_arc(line.state, {line.ilabel, line.olabel, line.weight, line.nextstate});
      grow(line.nextstate);
    }
    return true;
  }
  Fst<W> take() { return std::move(fst_); }

 private:
  void grow(StateId s) {
    const auto needed = std::uint64_t(s) + 1;
    if (needed > fst_.num_states()) fst_.add_states(needed - fst_.num_states());
  }

  Fst<W> fst_;
  std::uint64_t count_ = 0;
};

// Calls `take` with the fields of each line up to the empty one, after the line end that follows the key.
template <class Take>
void read_lines(Input& in, Take take) {
  while (in.peek() == ' ' || in.peek() == '\t' || in.peek() == '\r') in.get();
  if (in.peek() != '\n') in.expected("a line end before an automaton in text form");
  in.get();
  std::string line;
  std::vector<std::string_view> fields;
  while (in.peek() != Input::kEnd) {
    line.clear();
    for (int c = in.get(); c != '\n' && c != Input::kEnd; c = in.get()) line.push_back(static_cast<char>(c));
    fields_of(line, fields);
    if (fields.empty()) return;
    if (!take(fields)) {
      in.error("the line before is '", line.substr(0, 100), "'; expected 'state nextstate ilabel olabel [weight]', ",
               "'state nextstate label weight' (a compact lattice) or 'state [weight]'");
    }
  }
}

bool parse_state(std::string_view text, StateId& s) { return parse_integer(text, s) && s >= 0; }

template <class W>
bool parse_line(const std::vector<std::string_view>& fields, Line<W>& line, StringsOf<W>& strings) {
  if (!parse_state(fields[0], line.state)) return false;
  const auto weight = [&](std::size_t at) { return parse_weight(fields[at], line.weight, strings); };
  if (fields.size() == 1) return true;
  if (fields.size() == 2) return weight(1);
  if (fields.size() > 5) return false;
  if (!parse_state(fields[1], line.nextstate) || !parse_integer(fields[2], line.ilabel)) return false;
  if (has_strings<W> && (fields.size() == 3 || (fields.size() == 4 && weight(3)))) {  // one label
    line.olabel = line.ilabel;
    return true;
  }
  return fields.size() >= 4 && parse_integer(fields[3], line.olabel) && (fields.size() == 4 || weight(4));
}

}  // namespace

template <class W>
Fst<W> read_text(Input& in) {
  Lines<W> lines;
  NoStrings none;
  read_lines(in, [&](const std::vector<std::string_view>& fields) {
    Line<W> line;
    return parse_line(fields, line, none) && lines.add(line);
  });
  return lines.take();
}

// Which of the two it is shows in the weights, and some texts have none: both are tried, the plain one wins.
AnyLattice read_lattice_text(Input& in) {
  std::optional<Lines<LatticeWeight>> plain(std::in_place);
  std::vector<Line<CompactWeight>> compact;
  Strings strings;
  bool is_compact = true;
  read_lines(in, [&](const std::vector<std::string_view>& fields) {
    NoStrings none;
    if (plain) {
      Line<LatticeWeight> line;
      if (!parse_line(fields, line, none) || !plain->add(line)) plain.reset();
    }
    if (is_compact) {
      Line<CompactWeight> line;
      is_compact = parse_line(fields, line, strings);
      compact.push_back(line);
      if (!is_compact) compact.clear();
    }
    return plain || is_compact;
  });
  if (plain) return plain->take();
  Fst<CompactWeight> fst;
  fst.adopt({}, {}, std::move(strings), kNoState, fst.stored_properties());
  Lines<CompactWeight> lines(std::move(fst));
  for (const Line<CompactWeight>& line : compact) {
    if (!lines.add(line)) {
      in.error("a text of ", compact.size(), " lines numbers a state ", std::max(line.state, line.nextstate));
    }
  }
  return lines.take();
}

namespace {

template <class W>
class Compiler {
 public:
  explicit Compiler(const CompileOptions& options) : options_(options) {}

  Fst<W> compile(std::string_view text) {
    std::vector<std::string_view> fields;
    while (!text.empty()) {
      ++line_;
      const std::size_t end = std::min(text.size(), text.find('\n'));
      fields_of(text.substr(0, end), fields);
      text.remove_prefix(std::min(text.size(), end + 1));
      if (!fields.empty()) take(fields);
    }
    if constexpr (has_strings<W>) {
      Fst<W> fst;
      fst.adopt({}, {}, std::move(strings_), kNoState, fst.stored_properties());
      return build(std::move(fst));
    } else {
      return build({});
    }
  }

 private:
  template <typename... Parts>
  [[noreturn]] void error(const Parts&... parts) {
    fst_error("line ", line_, " of the text: ", parts...);
  }

  void take(const std::vector<std::string_view>& fields) {
    const std::size_t of_arc = options_.acceptor ? 3 : 4;
    if (fields.size() > of_arc + 1 || (fields.size() > 2 && fields.size() < of_arc)) {
      error(fields.size(), " columns; expected 1 or 2 (a final state) or ", of_arc, " or ", of_arc + 1, " (an arc)",
            options_.acceptor ? "" : "; pass acceptor=True for arcs with one label");
    }
    Line<W> line;
    line.state = state(fields[0]);
    std::size_t weight = 1;
    if (fields.size() > 2) {
      line.nextstate = state(fields[1]);
      line.ilabel = label(fields[2], options_.isymbols);
      line.olabel = options_.acceptor ? line.ilabel : label(fields[3], options_.osymbols);
      weight = of_arc;
    }
    if (weight < fields.size() && !parse_weight(fields[weight], line.weight, strings_)) {
      error("'", fields[weight], "' is no weight of type ", W::arc_type);
    }
    lines_.push_back(line);
  }

  std::int64_t look_up(std::string_view text, const Symbols& symbols) {
    const auto found = symbols.by_symbol.find(std::string(text));
    if (found == symbols.by_symbol.end()) error("'", text, "' is not in the symbol table '", symbols.name, "'");
    return found->second;
  }

  Label label(std::string_view text, const Symbols* symbols) {
    std::int64_t value = 0;
    if (symbols) {
      value = look_up(text, *symbols);
    } else if (!parse_integer(text, value)) {
      error("'", text, "' is no label; expected an integer, or a symbol table");
    }
    if (static_cast<Label>(value) != value) error("the label ", value, " does not fit 32 bits");
    if (value < 0 && !options_.allow_negative_labels) error("the label ", value, " is negative");
    return static_cast<Label>(value);
  }

  StateId state(std::string_view text) {
    std::int64_t value = 0;
    if (options_.ssymbols) {
      value = look_up(text, *options_.ssymbols);
    } else if (!parse_integer(text, value)) {
      error("'", text, "' is no state; expected an integer");
    }
    if (value < 0 || value >= std::int64_t(kMostStates)) {
      error("the state ", value, "; expected 0 to ", kMostStates - 1);
    }
    if (options_.keep_state_numbering) return static_cast<StateId>(value);
    return numbers_.try_emplace(static_cast<StateId>(value), static_cast<StateId>(numbers_.size())).first->second;
  }

  Fst<W> build(Fst<W> fst) {
    Lines<W> lines(std::move(fst));
    for (const Line<W>& line : lines_) {
      if (!lines.add(line)) {
        error("a text of ", lines_.size(), " lines numbers a state ", std::max(line.state, line.nextstate));
      }
    }
    return lines.take();
  }

  const CompileOptions& options_;
  std::vector<Line<W>> lines_;
  StringsOf<W> strings_;
  std::unordered_map<StateId, StateId> numbers_;
  std::size_t line_ = 0;
};

}  // namespace

template <class W>
Fst<W> compile_fst(std::string_view text, const CompileOptions& options) {
  return Compiler<W>(options).compile(text);
}

#define SONANT_INSTANTIATE(W)                                                   \
  template std::string print_fst(const View<W>&, const PrintOptions&);          \
  template Fst<W> compile_fst(std::string_view, const CompileOptions&);         \
  template void print_weight(std::string&, const W&, const StringsOf<W>&);      \
  template bool parse_weight(std::string_view, W&, StringsOf<W>&);
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)
SONANT_INSTANTIATE(LatticeWeight)
SONANT_INSTANTIATE(CompactWeight)
SONANT_INSTANTIATE(KwsIndexWeight)
template Fst<TropicalWeight> read_text(Input&);
template Fst<LogWeight> read_text(Input&);
template Fst<KwsIndexWeight> read_text(Input&);

}  // namespace sonant
