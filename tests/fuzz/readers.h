// The core's readers of bytes, each with inputs that it takes.
#pragma once

#include <string>
#include <vector>

struct Reader {
  const char* name;
  // Reads the bytes, and uses what it has read a little; FstError and ArkError are what it may throw.
  void (*read)(const std::string& bytes);
  std::vector<std::string> seeds;
};

std::vector<Reader> all_readers();
