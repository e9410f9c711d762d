#include "userspace/alerts/silence.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "userspace/alerts/rule_plan.h"
#include "userspace/base/fd.h"
#include "userspace/model/json_number.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

constexpr mode_t kPrivate = 0600;

bool fits(const std::string& pattern, const std::string& text) {
  return pattern.empty() || matches_any({pattern}, text);
}

Json to_json(const Silence& silence) {
  return {{"id", silence.id},          {"rule", silence.rule},         {"target", silence.target},
          {"type", silence.type},      {"begin_ms", silence.begin_ms}, {"until_ms", silence.until_ms},
          {"comment", silence.comment}};
}

Silence silence_of(const Json& json) {
  const auto text = [&](const char* key) { return json.at(key).get<std::string>(); };
  return {text("id"),
          text("rule"),
          text("target"),
          text("type"),
          whole_number<std::int64_t>(json.at("begin_ms")),
          whole_number<std::int64_t>(json.at("until_ms")),
          text("comment")};
}

Result<std::string> read_all(int fd, const std::string& path) {
  std::string text;
  std::array<char, 16'384> buffer{};
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::from_errno(errno, path);
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

Status write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t put = write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Error::from_errno(errno, path);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return Ok{};
}

/// A reader sees the old file or the new one, and after a loss of power there is one of them.
Status replace_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  const Fd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kPrivate));
  if (!fd.valid() || fchmod(fd.get(), kPrivate) != 0) return Error::from_errno(errno, fresh);
  if (Status status = write_all(fd.get(), text, fresh); !status) return status;
  if (fsync(fd.get()) != 0) return Error::from_errno(errno, fresh);
  if (rename(fresh.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
  return Ok{};
}

}  // namespace

bool silences(const Silence& silence, const Notice& notice, std::int64_t now_ms) {
  if (now_ms < silence.begin_ms || now_ms >= silence.until_ms) return false;
  const bool rule = fits(silence.rule, notice.name) || fits(silence.rule, notice.rule_id) ||
                    (notice.rule_id.empty() && fits(silence.rule, notice.arm));
  const bool type = silence.type.empty() || (!notice.type.empty() && fits(silence.type, notice.type));
  return rule && type && fits(silence.target, notice.target);
}

Result<std::vector<Silence>> read_silences(const std::string& path) {
  std::vector<Silence> silences;
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid() && errno == ENOENT) return silences;
  if (!fd.valid()) return Error::from_errno(errno, path);
  const Result<std::string> text = read_all(fd.get(), path);
  if (!text) return text.error();
  try {
    const Json json = Json::parse(*text);
    for (const Json& entry : json.at("silences")) silences.push_back(silence_of(entry));
  } catch (const Json::exception&) {
    return Error{path + " is damaged; remove it and write the silences anew with `outrider silence add`", EINVAL};
  }
  return silences;
}

Status change_silences(const std::string& path, const std::function<Status(std::vector<Silence>&)>& change) {
  // The file itself is replaced, so the lock is on one beside it that stays.
  const std::string lock_path = path + ".lock";
  const Fd lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kPrivate));
  if (!lock.valid()) return Error::from_errno(errno, lock_path);
  while (flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return Error::from_errno(errno, lock_path);
  }
  Result<std::vector<Silence>> silences = read_silences(path);
  if (!silences) return silences.error();
  if (Status status = change(*silences); !status) return status;
  Json all = Json::array();
  for (const Silence& silence : *silences) all.push_back(to_json(silence));
  return replace_file(path, Json{{"silences", std::move(all)}}.dump(1, ' ', false, Json::error_handler_t::replace));
}

Status SilenceFile::say_once(const Error& error) {
  if (error.message == said_) return Ok{};
  said_ = error.message;
  return error;
}

Status SilenceFile::refresh() {
  struct stat info {};
  if (stat(path_.c_str(), &info) != 0) {
    if (errno != ENOENT) return say_once(Error::from_errno(errno, path_));
    read_.reset();
    silences_.clear();
    return Ok{};
  }
  const Version version{info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
  if (read_ == version) return Ok{};
  Result<std::vector<Silence>> fresh = read_silences(path_);
  if (!fresh) return say_once(fresh.error());
  read_ = version;
  said_.clear();
  silences_ = *std::move(fresh);
  return Ok{};
}

}  // namespace outrider
