#include "userspace/base/line_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "userspace/base/privileges.h"

namespace outrider {
namespace {

constexpr const char* kStdout = "-";

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

Status LineFile::open_if_needed() {
  struct stat named {};
  struct stat opened {};
  if (file_.valid() && ::fstat(file_.get(), &opened) == 0 && ::stat(path_.c_str(), &named) == 0 &&
      same_file(named, opened)) {
    return Ok{};
  }
  mid_line_ = false;
  // Non-blocking only here: opening a pipe that nobody reads would wait for ever.
  file_ = Fd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0640));
  if (!file_.valid()) {
    const int code = errno;
    return Error{Error::from_errno(code, "open " + path_).message + advice_on_refusal(code), code};
  }
  const int flags = ::fcntl(file_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(file_.get(), F_SETFL, flags & ~O_NONBLOCK) < 0) {
    const int code = errno;
    file_.reset();
    return Error::from_errno(code, "open " + path_);
  }
  return Ok{};
}

// Only as long as the end of the file is still ours: somebody may have emptied it or appended meanwhile.
void LineFile::take_back(int file, std::size_t written) {
  if (written == 0) return;
  struct stat status {};
  const off_t end = ::lseek(file, 0, SEEK_CUR);
  mid_line_ = true;
  if (end < static_cast<off_t>(written) || ::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return;
  if (status.st_size == end && ::ftruncate(file, end - static_cast<off_t>(written)) == 0) mid_line_ = false;
}

Status LineFile::write_all(int file, std::string_view text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const auto count = ::write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int code = errno;
      take_back(file, written);
      return Error::from_errno(code, "write to " + (path_ == kStdout ? "stdout" : path_));
    }
    written += static_cast<std::size_t>(count);
  }
  return Ok{};
}

Status LineFile::append(std::string_view lines) {
  if (lines.empty()) return Ok{};
  int file = STDOUT_FILENO;
  if (path_ != kStdout) {
    if (auto opened = open_if_needed(); !opened) return opened;
    file = file_.get();
  }
  if (mid_line_) {
    if (auto ended = write_all(file, "\n"); !ended) return ended;
    mid_line_ = false;
  }
  return write_all(file, lines);
}

void LineFile::change_path(const LineFile& other) {
  if (other.path_ != path_) *this = LineFile(other.path_);
}

}  // namespace outrider
