// Gives the readers of the core what no writer wrote: their own files cut off at every byte, and changed at random.
// Built with the sanitizers of addresses and undefined behaviour (make fuzz), which end the process at the first
// fault; so do a reader that takes longer than ten seconds, and an exception that is not one of the core's errors.
// The bytes are then left in the folder of the second argument.
//
//     readers SECONDS FOLDER [READER]

#include <sanitizer/common_interface_defs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

#include "files/ark_error.h"
#include "fst/error.h"
#include "readers.h"

namespace {

std::string g_folder;
const Reader* g_reader = nullptr;
const std::string* g_bytes = nullptr;

void keep() {
  if (!g_reader) return;
  const std::string path = g_folder + "/" + g_reader->name + ".bytes";
  std::ofstream(path, std::ios::binary) << *g_bytes;
  std::fprintf(stderr, "the input of %s is kept in %s\n", g_reader->name, path.c_str());
}

void too_long(int) {
  std::fprintf(stderr, "more than ten seconds\n");
  keep();
  _exit(1);
}

bool check(const Reader& reader, const std::string& bytes) {
  g_reader = &reader;
  g_bytes = &bytes;
  alarm(10);
  bool read = false;
  try {
    reader.read(bytes);
    read = true;
  } catch (const sonant::FstError&) {
  } catch (const sonant::ArkError&) {
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: not an error of the core: %s\n", reader.name, error.what());
    keep();
    std::exit(1);
  }
  alarm(0);
  return read;
}

class Changes {
 public:
  explicit Changes(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return n ? random_() % n : 0; }

  std::string changed(const Reader& reader) {
    std::string bytes = reader.seeds[below(reader.seeds.size())];
    for (std::size_t times = 1 + below(4); times > 0; --times) change(bytes, reader);
    return bytes;
  }

 private:
  void change(std::string& bytes, const Reader& reader) {
    static constexpr std::int64_t odd[] = {0, 1, -1, 2, 127, 128, 255, 256, 32767, 65535, 0x7fffffff, 0xffffffff, -2,
                                           1 << 20, std::int64_t(1) << 32, std::int64_t(1) << 40, INT64_MAX, INT64_MIN};
    static const char* const words[] = {"nan", "inf", "-inf", "1e400", "-1e-400", "99999999999999999999", "\n", "\r\n",
                                        " ", "\t", "\\end\\", "\\data\\", "\\2-grams:", "ngram 1=99999999", "<s>",
                                        "</s>", "[", "]", ",", "0x", "-", "+", "\\", "\xff", "Infinity", "<eps>"};
    const std::size_t at = below(bytes.size() + 1), left = bytes.size() - at;
    switch (below(9)) {
      case 0:
        if (left) bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
        break;
      case 1:
        if (left) bytes[at] = static_cast<char>(below(256));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, 1 + below(std::min<std::size_t>(left, 40)));
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(bytes.size() + 1), 1 + below(40)));
        break;
      case 5: {
        const std::int64_t value = odd[below(std::size(odd))];
        const std::size_t size = std::size_t(1) << below(4);
        if (left >= size) std::memcpy(bytes.data() + at, &value, size);
        break;
      }
      case 6: {
        const char* word = words[below(std::size(words))];
        below(2) ? bytes.insert(at, word) : bytes.replace(at, std::min(left, std::strlen(word)), word);
        break;
      }
      case 7: {
        const std::string& other = reader.seeds[below(reader.seeds.size())];
        bytes = bytes.substr(0, at) + other.substr(below(other.size() + 1));
        break;
      }
      default:
        for (std::size_t i = 1 + below(8); i > 0; --i) bytes.insert(bytes.begin() + std::ptrdiff_t(at), char(below(256)));
    }
    if (bytes.size() > (1 << 16)) bytes.resize(1 << 16);
  }

  std::mt19937_64 random_;
};

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "usage: readers SECONDS FOLDER [READER]\n");
    return 2;
  }
  const double seconds = std::atof(words[1]);
  g_folder = words[2];
  std::signal(SIGALRM, too_long);
  __sanitizer_set_death_callback(keep);
  std::vector<Reader> readers = all_readers();
  if (count > 3) std::erase_if(readers, [&](const Reader& r) { return std::strcmp(r.name, words[3]) != 0; });
  const std::uint64_t seed = std::random_device()();
  Changes changes(seed);
  for (const Reader& reader : readers) {
    const auto started = std::chrono::steady_clock::now();
    for (const std::string& bytes : reader.seeds) {
      if (!check(reader, bytes)) {
        std::fprintf(stderr, "%s does not read one of its own files\n", reader.name);
        keep();
        return 1;
      }
      for (std::size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 4096) check(reader, bytes.substr(0, cut));
    }
    std::size_t tried = 0, read = 0;
    const double share = seconds / double(readers.size());
    for (; std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count() < share; ++tried) {
      read += check(reader, changes.changed(reader));
    }
    std::printf("%-20s %9zu inputs, %zu of them read\n", reader.name, tried, read);
    std::fflush(stdout);
  }
  return 0;
}
