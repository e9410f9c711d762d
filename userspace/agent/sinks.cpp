#include "userspace/agent/sinks.h"

#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "userspace/model/snapshot_json.h"

namespace outrider {

std::optional<TextfileSink::Identity> TextfileSink::directory_now() const {
  const std::filesystem::path file(options_.path);
  const auto parent = file.has_parent_path() ? file.parent_path().string() : ".";
  struct stat status {};
  if (::lstat(parent.c_str(), &status) != 0) return std::nullopt;
  return Identity{status.st_dev, status.st_ino};
}

Status TextfileSink::write(const Report& report) {
  const auto directory = directory_now();
  if (!writer_ || directory != directory_) {
    writer_.reset();
    auto made = TextfileWriter::make(options_.path);
    if (!made) return made.error();
    writer_.emplace(std::move(*made));
    directory_ = directory;
  }
  Status written = writer_->write(prometheus_text(report, options_.text));
  if (!written || !left_) return written;
  return *std::exchange(left_, std::nullopt);
}

void TextfileSink::become(Sink& fresh) {
  TextfileSinkOptions options = dynamic_cast<TextfileSink&>(fresh).options_;
  if (options.path != options_.path) {
    if (Status gone = withdraw(); !gone) left_ = gone.error();
  }
  options_ = std::move(options);
}

// node_exporter would serve its figures for ever. What was never written is not ours to remove.
Status TextfileSink::withdraw() {
  if (!writer_) return Ok{};
  Status gone = writer_->remove();
  writer_.reset();
  return gone;
}

Status JsonSink::write(const Report& report) {
  std::string lines;
  for (std::size_t i = 0; i < report.snapshots.size(); ++i) {
    if (report.is_fresh(i)) lines += to_json_line(*report.snapshots[i]) + '\n';
  }
  return file_.append(lines);
}

void JsonSink::become(Sink& fresh) { file_.change_path(dynamic_cast<JsonSink&>(fresh).file_); }

Status InfluxFileSink::write(const Report& report) { return file_.append(influx_lines(report, lines_)); }

void InfluxFileSink::become(Sink& fresh) {
  auto& other = dynamic_cast<InfluxFileSink&>(fresh);
  file_.change_path(other.file_);
  lines_ = other.lines_;
}

}  // namespace outrider
