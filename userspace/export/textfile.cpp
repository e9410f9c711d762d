#include "userspace/export/textfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "userspace/base/privileges.h"

namespace outrider {
namespace {

// ".NAME.PID.RANDOM.tmp": the collector reads only *.prom, and the PID tells whose it was.
constexpr std::string_view kSuffix = ".tmp";

std::string temporary_name(const std::string& name) {
  std::uint32_t random = 0;
  // Nobody's guess of the name may matter: O_EXCL decides. Random bytes only keep a squatter from blocking us.
  if (::getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0) random = 0;
  return fmt::format(".{}.{}.{:08x}{}", name, ::getpid(), random, kSuffix);
}

// The process that wrote the temporary file `entry` for `name`; 0 if it is no such file.
pid_t writer_of(std::string_view entry, const std::string& name) {
  const std::string prefix = "." + name + ".";
  if (!entry.starts_with(prefix) || !entry.ends_with(kSuffix)) return 0;
  const std::string_view rest = entry.substr(prefix.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), pid);
  return error == std::errc() && *end == '.' && pid > 0 ? pid : 0;
}

Status write_all(const Fd& file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error::from_errno(errno, "write");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return Ok{};
}

Status check_directory(const Fd& directory, const std::string& path) {
  struct stat status {};
  if (::fstat(directory.get(), &status) != 0) return Error::from_errno(errno, "stat " + path);
  if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
    return Error{fmt::format("{} is writable for everybody, who could then replace the metrics; take that right away "
                             "(chmod o-w {}) or choose another directory",
                             path, path),
                 EPERM};
  }
  if (::faccessat(directory.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    const int code = errno;
    const Error error = Error::from_errno(code, "the textfile's directory " + path + " is not writable for the agent");
    return Error{error.message + advice_on_refusal(code), code};
  }
  return Ok{};
}

}  // namespace

Result<TextfileWriter> TextfileWriter::make(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string name = file.filename().string();
  const std::string parent = file.has_parent_path() ? file.parent_path().string() : ".";
  if (name.empty() || name == "." || name == "..") {
    return Error{"the textfile's path \"" + path + "\" names no file; give one such as DIRECTORY/outrider.prom",
                 EINVAL};
  }
  Fd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory.valid()) {
    if (errno == ENOTDIR && std::filesystem::is_symlink(std::filesystem::symlink_status(parent))) {
      return Error{"the textfile's directory " + parent + " is a symbolic link; give the directory itself", ELOOP};
    }
    return Error::from_errno(errno, "open the textfile's directory " + parent);
  }
  if (auto status = check_directory(directory, parent); !status) return status.error();
  struct stat status {};
  if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode)) {
    return Error{"the textfile " + path + " is a directory; give the path of a file in it", EISDIR};
  }
  TextfileWriter writer(std::move(directory), path, name);
  writer.remove_leftovers();
  return writer;
}

void TextfileWriter::remove_leftovers() const {
  const int copy = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return;
  const std::unique_ptr<DIR, void (*)(DIR*)> dir(::fdopendir(copy), [](DIR* d) { ::closedir(d); });
  if (!dir) {
    ::close(copy);
    return;
  }
  while (const dirent* entry = ::readdir(dir.get())) {
    const pid_t pid = writer_of(entry->d_name, name_);
    // A living process's file may be in use: another agent that writes the same file, or a PID used again.
    const bool dead = pid > 0 && (pid == ::getpid() || (::kill(pid, 0) != 0 && errno == ESRCH));
    if (dead) ::unlinkat(directory_.get(), entry->d_name, 0);
  }
}

Status TextfileWriter::replace(const Fd& file, const std::string& temporary, std::string_view text) const {
  if (auto status = write_all(file, text); !status) return status.error();
  // The umask may have taken bits away; node_exporter runs as another user.
  if (::fchmod(file.get(), 0644) != 0) return Error::from_errno(errno, "fchmod");
  if (::fsync(file.get()) != 0) return Error::from_errno(errno, "fsync");
  if (::renameat(directory_.get(), temporary.c_str(), directory_.get(), name_.c_str()) != 0) {
    return Error::from_errno(errno, "rename");
  }
  return Ok{};
}

Status TextfileWriter::write(std::string_view text) {
  const std::string temporary = temporary_name(name_);
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  Fd file(::openat(directory_.get(), temporary.c_str(), flags, 0600));
  if (!file.valid() && errno == ENOENT) {  // the directory was removed; perhaps there is a new one
    Result<TextfileWriter> again = make(path_);
    if (!again) return again.error();
    directory_ = std::move(again->directory_);
    file = Fd(::openat(directory_.get(), temporary.c_str(), flags, 0600));
  }
  if (!file.valid()) return Error::from_errno(errno, "create a temporary file beside " + path_);
  auto status = replace(file, temporary, text);
  if (status) return Ok{};
  ::unlinkat(directory_.get(), temporary.c_str(), 0);
  return Error{"textfile " + path_ + " was not updated: " + status.error().message, status.error().code};
}

Status TextfileWriter::remove() const {
  if (::unlinkat(directory_.get(), name_.c_str(), 0) == 0 || errno == ENOENT) return Ok{};
  return Error::from_errno(errno, "textfile " + path_ + " is no longer written and could not be removed; remove it");
}

}  // namespace outrider
