#include "readers.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <variant>

#include "lm/arpa_graph.h"
#include "files/basic_types.h"
#include "lm/const_arpa.h"
#include "fst/builder.h"
#include "fst/file.h"
#include "fst/lookahead.h"
#include "fst/text.h"
#include "fsa/text.h"
#include "files/matrix_file.h"
#include "lm/ngram_count.h"
#include "lm/ngram_estimate.h"
#include "lm/ngram_lm.h"
#include "lm/ngram_score.h"
#include "fst/symbols.h"
#include "files/table_types.h"

using namespace sonant;

namespace {

const char kArpa[] =
    "\\data\\\nngram 1=5\nngram 2=4\nngram 3=1\n\n\\1-grams:\n-99 <s> -0.5\n-0.4 </s>\n-0.6 a -0.25\n-0.7 b -0.1\n"
    "-1.5 <unk>\n\n\\2-grams:\n-0.1 <s> a -0.2\n-0.2 a b\n-0.9 b </s>\n-0.3 a a\n\n\\3-grams:\n-0.3 <s> a b\n\n\\end\\\n";
const char kNumbers[] =
    "\\data\\\r\nngram 1=3\r\nngram 2=2\r\n\r\n\\1-grams:\r\n-99\t1\t-0.5\r\n-0.4\t2\r\n-0.6\t3\t-2e-1\r\n\r\n"
    "\\2-grams:\r\n-0.1\t1 3\r\n-0.2\t3 2\r\n\r\n\\end\\\r\n";

WordTable marks() {
  WordTable words;
  for (const char* word : {"<eps>", "<s>", "</s>", "<unk>", "#0"}) words.add(word);
  return words;
}

template <class Body>
std::string written(Body body) {
  Output out;
  body(out);
  return out.bytes();
}

// ---- Language models

NgramLm model(const std::string& bytes, WordTable& words, Oov oov) {
  Input in(bytes, "fuzz");
  return read_ngram_lm(in, &words, {1, 2, 3, oov, 30}).lm;
}

void read_arpa_model(const std::string& bytes) {
  WordTable words = marks();
  NgramLm lm = model(bytes, words, Oov::kAdd);
  Input text("a b c\n\nb <unk> a a\n", "text");
  TextScorer scorer(lm);
  scorer.score(text, words);
  lm.normalize();
  Output out;
  lm.write_arpa(out, words);
}

void read_arpa_grammar(const std::string& bytes) {
  for (const Oov oov : {Oov::kAdd, Oov::kSkip, Oov::kReplaceWithUnk}) {
    WordTable words = marks();
    Input in(bytes, "fuzz");
    arpa_to_fst(in, &words, {1, 2, 3, oov, 30}, 4).fst.view();
  }
}

void read_arpa_numbers(const std::string& bytes) {
  Input in(bytes, "fuzz");
  const NgramLm lm = read_ngram_lm(in, nullptr, {1, 2, -1, Oov::kError, 30}).lm;
  ConstArpa::of(lm);
}

void read_text_counts(const std::string& bytes) {
  WordTable words = marks();
  const auto counts = NgramCounts::make({3, 1, 2, 3, false, {1 << 16, "/tmp"}}, words);
  Input in(bytes, "fuzz");
  counts->read(in);
  counts->finish();
  if (counts->sentences()) kneser_ney(*counts, {});
}

void use(const ConstArpa& lm) {
  for (std::int32_t word = -1; word < 6; ++word) {
    const std::int32_t histories[][2] = {{1, 3}, {3, word}, {word, word}};
    for (const auto& history : histories) {
      lm.logprob(word, history);
      lm.has_history(history);
    }
  }
  Output out;
  lm.write_arpa(out, nullptr);
}

void read_const_arpa(const std::string& bytes) {
  Input in(bytes, "fuzz");
  use(ConstArpa::read(in, read_header(in)));
}

// ---- Automata

void read_fst_file(const std::string& bytes) {
  Input in(bytes, "fuzz");
  std::visit([](const auto& fst) { fst.view(); }, read_fst(in).fst);
}

void read_mapped_fst(const std::string& bytes) {
  const int fd = memfd_create("fuzz", 0);
  if (write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return;
  lseek(fd, 0, SEEK_SET);
  Input in(fd, "fuzz", true);
  std::visit([](const auto& fst) { fst.view(); }, read_fst(in, {.whole = true, .map = true}).fst);
}

template <class W>
void read_fst_table_text(const std::string& bytes) {
  Input in(bytes, "fuzz");
  read_text<W>(in).view();
}

void read_fsa_lines(const std::string& bytes) {
  for (const bool openfst : {true, false}) {
    const FsaText read = read_fsa_text(bytes, {1, 1, openfst});
    std::vector<std::int32_t> arcs;
    for (std::size_t i = 0; i < read.columns.size(); i += 4) {
      arcs.insert(arcs.end(), {read.columns[i], read.columns[i + 1], read.columns[i + 2], 0});
    }
    const std::vector<std::int32_t> aux(read.scores.size());
    const std::span<const std::int32_t> columns[] = {aux};
    write_fsa_text(arcs, read.scores.data(), columns, read.ragged, openfst);
  }
}

void read_lattice(const std::string& bytes) {
  Input in(bytes, "fuzz");
  std::visit([](const auto& fst) { fst.view(); }, read_lattice_text(in));
}

void compile_text(const std::string& bytes) {
  Symbols symbols;
  for (const auto& [key, text] : {std::pair{0, "<eps>"}, {1, "a"}, {2, "b"}}) {
    symbols.by_key[key] = text;
    symbols.by_symbol[text] = key;
  }
  CompileOptions options;
  options.isymbols = options.osymbols = &symbols;
  compile_fst<TropicalWeight>(bytes, options).view();
}

void read_symbol_text(const std::string& bytes) { is_plain(parse_symbols_text(bytes, "fuzz", true)); }

void read_symbol_table(const std::string& bytes) {
  Input in(bytes, "fuzz");
  is_plain(parse_symbols(read_symbols(in), "fuzz"));
}

template <class W>
Fst<W> automaton(W weight) {
  FstBuilder<W> builder;
  builder.start = builder.open();
  builder.add({1, 2, weight, 1});
  builder.add({0, 0, W::one(), 2});
  builder.open(weight);
  builder.add({2, 0, W::one(), 0});
  builder.open(W::one());
  return builder.finish();
}

template <class W>
void add_files(std::vector<std::string>& files, W weight) {
  for (const auto& [constant, align] : {std::pair{false, false}, {true, false}, {true, true}}) {
    WriteOptions options;
    options.constant = constant;
    options.align = align;
    files.push_back(written([&](Output& out) { write_fst(out, automaton(weight), options); }));
  }
}

template <class... Numbers>
std::string bytes_of(Numbers... numbers) {
  std::string bytes;
  (bytes.append(reinterpret_cast<const char*>(&numbers), sizeof numbers), ...);
  return bytes;
}

std::string text_of(const std::string& text) { return bytes_of(std::int32_t(text.size())) + text; }

std::string header(const std::string& type, std::int64_t states, std::int64_t arcs) {
  return bytes_of(kFstMagic) + text_of(type) + text_of("standard") +
         bytes_of(std::int32_t(4), std::int32_t(0), std::uint64_t(0), std::int64_t(0), states, arcs);
}

// A root and a state after the word 5, an arc of 5 and one of 6: see read_ngram_fst.
std::string ngram_file() {
  return header("ngram", 2, 0) + bytes_of(std::uint64_t(2), std::uint64_t(2), std::uint64_t(1)) +
         bytes_of(std::uint64_t(0b00101), std::uint64_t(0b01010), std::uint64_t(0b10)) + bytes_of(0, 5, 0, 5, 6) +
         bytes_of(0.f, .5f, 0.f) + bytes_of(1.f) + bytes_of(.25f, .75f, 0.f);
}

std::string lookahead_file(const std::string& inner) {
  const std::string set = bytes_of(std::int64_t(1), std::int32_t(0), std::int32_t(2), std::int32_t(-1));
  return header("olabel_lookahead", 3, 3) + bytes_of(kAddOnMagic) + inner + bytes_of(std::uint8_t(1), std::uint8_t(0)) +
         bytes_of(std::uint8_t(1), std::uint8_t(0), std::uint8_t(1), std::int64_t(1), std::int32_t(1), std::int32_t(2)) +
         bytes_of(std::int32_t(3), std::int64_t(2)) + set + set;
}

std::vector<std::string> fst_files() {
  std::vector<std::string> files;
  add_files(files, TropicalWeight{0.5f});
  add_files(files, LogWeight{0.5f});
  add_files(files, LatticeWeight{0.5f, 1.5f});
  Fst<CompactWeight> compact = automaton(CompactWeight::one());
  const std::int32_t string[] = {3, 4, 5};
  compact.set_final(1, compact.add_string({0.5f, 2}, string));
  files.push_back(written([&](Output& out) { write_fst(out, compact, {}); }));
  SymbolList symbols{"words", 3, {"<eps>", "a", "b"}, {0, 1, 2}};
  WriteOptions named;
  named.isymbols = named.osymbols = print_symbols(symbols);
  files.push_back(written([&](Output& out) { write_fst(out, automaton(TropicalWeight{2}), named); }));
  files.push_back(ngram_file());
  files.push_back(lookahead_file(files[1]));
  return files;
}

// ---- Kaldi's objects

template <class T>
void read_matrices(const std::string& bytes) {
  Input in(bytes, "fuzz");
  const bool binary = read_header(in);
  const std::int64_t here = in.tell();
  read_matrix<T>(in, binary);
  Input again(bytes, "fuzz");
  again.seek(here);
  skip_matrix(again, binary);
}

void read_compressed_matrix(const std::string& bytes) {
  Input in(bytes, "fuzz");
  decompress<float>(read_compressed(in, read_header(in)));
}

void read_vectors(const std::string& bytes) {
  Input in(bytes, "fuzz");
  const bool binary = read_header(in);
  read_vector<float>(in, binary);
}

void read_packed_matrix(const std::string& bytes) {
  Input in(bytes, "fuzz");
  read_packed<double>(in, read_header(in));
}

void read_integer_lists(const std::string& bytes) {
  for (int kind = 0; kind < 5; ++kind) {
    Input in(bytes, "fuzz");
    const bool binary = read_header(in);
    try {
      if (kind == 0) read_list<std::int32_t>(in, binary);
      if (kind == 1) read_lists<std::int32_t>(in, binary);
      if (kind == 2) read_pairs<float>(in, binary);
      if (kind == 3) read_posterior(in, binary);
      if (kind == 4) read_integers<std::int32_t>(in, binary);
    } catch (const ArkError&) {
    }
  }
}

void read_tokens(const std::string& bytes) {
  Input in(bytes, "fuzz");
  const bool binary = read_header(in);
  while (true) {
    if (!binary) skip_space(in);
    if (in.peek() == Input::kEnd) break;
    peek_token(in, binary);
    read_token(in, binary);
    read_integer(in, binary, 4, true);
    read_real(in, binary);
    read_bool(in, binary);
  }
}

std::vector<std::string> compressed_files() {
  std::vector<std::string> files;
  std::vector<float> values(12 * 5);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(i * 7 % 13) / 3;
  for (const Compression method : {Compression::kSpeech, Compression::kTwoByteAuto, Compression::kOneByteAuto}) {
    files.push_back(written([&](Output& out) {
      write_header(out, true);
      write_compressed(out, true, compress(values.data(), 12, 5, method));
    }));
  }
  return files;
}

template <class Write>
std::vector<std::string> both_modes(Write write) {
  std::vector<std::string> files;
  for (const bool binary : {true, false}) {
    files.push_back(written([&](Output& out) {
      write_header(out, binary);
      write(out, binary);
    }));
  }
  return files;
}

template <class T>
std::vector<std::string> matrix_files() {
  const T values[] = {0, 1.5, -2, T(1e-30), T(3e30), 7};
  std::vector<std::string> files = both_modes([&](Output& out, bool binary) { write_matrix(out, binary, values, 2, 3, 3); });
  for (std::string& file : compressed_files()) files.push_back(std::move(file));
  return files;
}

}  // namespace

std::vector<Reader> all_readers() {
  WordTable words = marks();
  const std::string const_arpa = written([&](Output& out) {
    write_header(out, true);
    ConstArpa::of(model(kArpa, words, Oov::kAdd)).write(out);
  });
  const SymbolList symbols{"words", 3, {"<eps>", "a", "b"}, {0, 1, 2}};
  const float numbers[] = {1, 2.5, -3};
  const double packed[] = {1, 2, 3, 4, 5, 6};
  const std::vector<std::int32_t> list = {1, -2, 3};
  const std::vector<float> pairs = {1, 2, 3, 4};
  const FrameWeights posterior{{1, 2, 3}, {.5, .5, 1}, {2, 3}};
  std::vector<std::string> lists = both_modes([&](Output& out, bool binary) { write_list(out, binary, list); });
  const Ragged<std::int32_t> ragged{list, {1, 3}};
  for (const auto& files : {both_modes([&](Output& out, bool binary) { write_lists(out, binary, ragged); }),
                            both_modes([&](Output& out, bool binary) { write_pairs(out, binary, pairs); }),
                            both_modes([&](Output& out, bool binary) { write_posterior(out, binary, posterior); }),
                            both_modes([&](Output& out, bool binary) {
                              write_integers(out, binary, list.data(), list.size());
                            })}) {
    lists.insert(lists.end(), files.begin(), files.end());
  }
  return {
      {"arpa", read_arpa_model, {kArpa, kNumbers}},
      {"arpa-grammar", read_arpa_grammar, {kArpa}},
      {"arpa-numbers", read_arpa_numbers, {kNumbers}},
      {"const-arpa", read_const_arpa, {const_arpa}},
      {"text-counts", read_text_counts, {"a b c\n\nb <unk> a a\n", "\xc3\xa9 \xff\r\n"}},
      {"fst", read_fst_file, fst_files()},
      {"fst-mapped", read_mapped_fst, fst_files()},
      {"fst-text", read_fst_table_text<TropicalWeight>, {"\n0 1 1 2 0.5\n0 2 0 0\n1 2.5\n2\n\n"}},
      {"fsa-text", read_fsa_lines, {"0 1 1 5 [1, 2] 0.5\n0 2 -1 -1 [] 1e-3\n1 2 -1 -1 [ ] -inf\n2\n"}},
      {"lattice-text", read_lattice, {"\n0 1 1 2 0.5,1\n1 2,3\n\n", "\n0 1 1 0.5,1,1_2\n1 2,3,\n\n"}},
      {"compile", compile_text, {"0 1 a b 0.5\n0 2 <eps> <eps>\n1 2.5\n2 Infinity\n"}},
      {"symbols-text", read_symbol_text, {"<eps> 0\na 1\nb\t2\n"}},
      {"symbols", read_symbol_table, {print_symbols(symbols)}},
      {"matrix", read_matrices<float>, matrix_files<float>()},
      {"matrix-double", read_matrices<double>, matrix_files<double>()},
      {"compressed", read_compressed_matrix, compressed_files()},
      {"vector", read_vectors, both_modes([&](Output& out, bool binary) { write_vector(out, binary, numbers, 3); })},
      {"packed", read_packed_matrix, both_modes([&](Output& out, bool binary) { write_packed(out, binary, packed, 3); })},
      {"lists", read_integer_lists, lists},
      {"tokens", read_tokens,
       both_modes([&](Output& out, bool binary) {
         write_token(out, "<Token>");
         write_integer(out, binary, -7, 4, true);
         write_real(out, binary, 2.5f);
         write_bool(out, binary, true);
       })},
  };
}
