// The exports that are files: a Prometheus textfile, JSON lines, InfluxDB lines. None has to work when it is made: a
// directory may come later, and each write tries again.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "userspace/agent/sink.h"
#include "userspace/base/line_file.h"
#include "userspace/export/influx_line.h"
#include "userspace/export/prometheus_text.h"
#include "userspace/export/textfile.h"

namespace outrider {

struct TextfileSinkOptions {
  std::string path;
  PrometheusOptions text;
};

/// Replaces a file for node_exporter each interval; see textfile.h. The file stays at the end, and goes when the path
/// is another one or none.
class TextfileSink : public Sink {
 public:
  explicit TextfileSink(TextfileSinkOptions options) : options_(std::move(options)) {}

  /// Looks for the directory anew if it is no longer the one that was opened. Errors: those of TextfileWriter; after
  /// become(), that the file before could not be removed.
  Status write(const Report& report) override;
  void become(Sink& fresh) override;
  Status withdraw() override;

 private:
  using Identity = std::pair<dev_t, ino_t>;
  [[nodiscard]] std::optional<Identity> directory_now() const;

  TextfileSinkOptions options_;
  std::optional<TextfileWriter> writer_;
  std::optional<Identity> directory_;
  std::optional<Error> left_;  // why the file before is still there; none: it is not, or that was said
};

struct JsonSinkOptions {
  std::string path;  ///< "-": stdout
};

/// Appends one JSON object a line for each fresh snapshot.
class JsonSink : public Sink {
 public:
  explicit JsonSink(JsonSinkOptions options) : file_(std::move(options.path)) {}
  Status write(const Report& report) override;
  void become(Sink& fresh) override;

 private:
  LineFile file_;
};

struct InfluxFileOptions {
  std::string path;  ///< "-": stdout
  InfluxOptions lines;
};

/// Appends line protocol, for Telegraf or `influx -import`.
class InfluxFileSink : public Sink {
 public:
  explicit InfluxFileSink(InfluxFileOptions options)
      : file_(std::move(options.path)), lines_(std::move(options.lines)) {}
  Status write(const Report& report) override;
  void become(Sink& fresh) override;

 private:
  LineFile file_;
  InfluxOptions lines_;
};

}  // namespace outrider
