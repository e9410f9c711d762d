#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "userspace/base/fd.h"
#include "userspace/config/load.h"

namespace outrider {
namespace {

constexpr std::size_t kLongestSecret = 4096;

Status check_private(int fd, const std::string& path) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return Error::from_errno(errno, path);
  if (!S_ISREG(info.st_mode)) return Error{path + " is not a regular file; write the secret into one", EINVAL};
  if ((info.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return Error{
        fmt::format("{} is open to every user (mode {:04o}); run chmod 600 on it", path, info.st_mode & 07777U), EPERM};
  }
  return Ok{};
}

}  // namespace

Result<std::string> read_secret(const std::string& path) {
  // Not blocking: a FIFO in its place must not hold up the start.
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return Error::from_errno(errno, path);
  if (Status status = check_private(fd.get(), path); !status) return status.error();
  std::string secret;
  std::array<char, kLongestSecret> buffer{};
  while (secret.size() <= kLongestSecret) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::from_errno(errno, path);
    if (got == 0) break;
    secret.append(buffer.data(), static_cast<std::size_t>(got));
  }
  if (secret.size() > kLongestSecret) {
    return Error{fmt::format("{} is longer than {} bytes; write only the secret into it", path, kLongestSecret),
                 EINVAL};
  }
  while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
  if (secret.empty()) return Error{path + " is empty; write the secret into it", EINVAL};
  // A header cannot carry it, and two lines are two secrets or none.
  if (std::any_of(secret.begin(), secret.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
    return Error{path + " holds more than one line or control characters; write only the secret into it", EINVAL};
  }
  return secret;
}

}  // namespace outrider
