// What the fuzzers share: an input as text, a demand on what a parser made of it, and a folder for those that read
// files.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace outrider {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// What a parser must never give, whatever it reads, ends the fuzzer as a crash does.
inline void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

/// That it was made without a fault is all that is asked of it.
template <typename T>
void made(const T& /*result*/) {}

/// In memory; removed when the fuzzer ends, as far as it ends by itself.
class Folder {
 public:
  Folder() {
    std::string name = "/dev/shm/outrider-fuzz-XXXXXX";
    demand(mkdtemp(name.data()) != nullptr, "a folder in /dev/shm can be made");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string write(const std::string& name, std::string_view text) const {
    const std::filesystem::path file = path_ / name;
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
    return file;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace outrider
