// Kaldi's basic types in its files, binary and text (base/io-funcs of Kaldi defines them).
//
// Binary: a size byte (negative for unsigned integers), then the value, little-endian. A bool is a bare 'T' or 'F'. A token
// is text and one space. Text: the value and one space.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files/input.h"
#include "files/output.h"

namespace sonant {

bool is_space(int c);
void skip_space(Input& in);

// Takes "\0B" if it is next: the stream is binary then.
bool read_header(Input& in);
void write_header(Output& out, bool binary);

std::string read_token(Input& in, bool binary);
void expect_token(Input& in, bool binary, std::string_view token);
// The first character of the next token, after its '<' if it has one; kEnd at the end.
int peek_token(Input& in, bool binary);
void write_token(Output& out, std::string_view token);

// The key that begins an entry of an archive, and the white space behind it; where that is a newline it stays, because
// objects in text may begin with it.
std::string read_archive_key(Input& in);

// An integer of `size` bytes: 1, 2, 4 or 8. Unsigned ones of 8 bytes must be below 2^63.
std::int64_t read_integer(Input& in, bool binary, int size, bool is_signed);
void write_integer(Output& out, bool binary, std::int64_t value, int size, bool is_signed);

// A float or a double, whichever the file holds.
double read_real(Input& in, bool binary);
template <typename Real>
void write_real(Output& out, bool binary, Real value);

bool read_bool(Input& in, bool binary);
void write_bool(Output& out, bool binary, bool value);

// A vector inside an object: "[ 1 2 ]\n", or a size byte, a raw count and raw values. Pairs are written "1,2".
template <typename Int>
std::vector<Int> read_integers(Input& in, bool binary);
template <typename Int>
void write_integers(Output& out, bool binary, const Int* values, std::size_t count);
std::vector<std::int32_t> read_integer_pairs(Input& in, bool binary);
void write_integer_pairs(Output& out, bool binary, const std::int32_t* pairs, std::size_t count);

// Text numbers. The reader takes a word and stops behind it, before white space, `also_stop` or the end.
double read_text_real(Input& in, char also_stop = ' ');
std::int64_t read_text_integer(Input& in, std::int64_t lowest, std::int64_t highest);
template <typename Real>
void write_text_real(Output& out, Real value);  // as printf's %.7g
void write_text_integer(Output& out, std::int64_t value);

// Throws where a count in a header is negative, or promises more bytes than the file has left.
void check_count(Input& in, std::int64_t count, std::int64_t bytes_each, const char* what);

}  // namespace sonant
