// Symbol tables in OpenFst's files: text (a symbol and its key a line) and binary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sonant {

struct SymbolList {
  std::string name;
  std::int64_t available_key = 0;
  std::vector<std::string_view> symbols;  // they lie in what was parsed
  std::vector<std::int64_t> keys;
};

// Whether the keys are 0, 1, 2, ... and no symbol comes twice.
bool is_plain(const SymbolList& list);

// Throws FstError, which names the file and the line.
SymbolList parse_symbols_text(std::string_view text, const std::string& name, bool allow_negative);
// Of bytes that read_symbols() (csrc/fst/file.h) has checked, or of any: FstError where they are no symbol table.
SymbolList parse_symbols(std::string_view bytes, const std::string& name);
std::string print_symbols(const SymbolList& list);  // binary
std::string print_symbols_text(const SymbolList& list);

}  // namespace sonant
