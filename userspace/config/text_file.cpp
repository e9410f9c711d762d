#include "userspace/config/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "userspace/base/fd.h"

namespace outrider {
namespace {

constexpr std::size_t kLargestFile = 1U << 20;

}  // namespace

Result<std::string> read_text_file(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return Error::from_errno(errno, path);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return Error::from_errno(errno, path);
  if (!S_ISREG(info.st_mode)) return Error{path + " is not a regular file; give a TOML file", EINVAL};
  std::string text;
  std::array<char, 16'384> buffer{};
  for (;;) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::from_errno(errno, path);
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kLargestFile) return Error{path + " is larger than 1 MiB; give a configuration file", EFBIG};
  }
}

}  // namespace outrider
