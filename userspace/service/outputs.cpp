#include "userspace/service/outputs.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "userspace/agent/influx_push.h"
#include "userspace/agent/sinks.h"
#include "userspace/config/load.h"

namespace outrider {
namespace {

// What a replaced export may take to hand on what it has queued.
constexpr std::chrono::seconds kRetireTime{2};

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

// Lengths keep "a" + "bc" and "ab" + "c" apart.
std::string joined(std::initializer_list<std::string> parts) {
  std::string text;
  for (const std::string& part : parts) text += fmt::format("{}:{};", part.size(), part);
  return text;
}

std::string labels_of(const Config& config) {
  std::string text;
  for (const TargetConfig& target : config.targets) {
    for (const auto& [key, value] : target.labels) text += joined({target.name, key, value});
  }
  return text;
}

std::string token_of(const ExportConfig::Influxdb& influxdb) {
  if (influxdb.token_file.empty()) return {};
  const Result<std::string> token = read_secret(influxdb.token_file);
  return token ? *token : std::string();
}

InfluxPushOptions push_options(const Config& config, const std::string& token) {
  const ExportConfig::Influxdb& influxdb = config.exports.influxdb;
  InfluxPushOptions options;
  options.url = influxdb.url;
  options.version = influxdb.version;
  options.database = influxdb.database;
  options.org = influxdb.org;
  options.bucket = influxdb.bucket;
  options.token = token;
  options.batch_points = influxdb.batch;
  options.queue_points = influxdb.queue;
  options.lines = influx_options(config);
  return options;
}

}  // namespace

PrometheusOptions prometheus_options(const Config& config) {
  PrometheusOptions options;
  options.prefix = config.exports.prefix;
  for (const TargetConfig& target : config.targets) options.target_labels[target.name] = target.labels;
  return options;
}

InfluxOptions influx_options(const Config& config) {
  InfluxOptions options;
  options.tags["host"] = host_name();
  for (const TargetConfig& target : config.targets) options.target_tags[target.name] = target.labels;
  return options;
}

std::vector<Outputs::Wanted> Outputs::wanted(const Config& config) {
  const ExportConfig& exports = config.exports;
  const ExportConfig::Influxdb& influxdb = exports.influxdb;
  const std::string labels = labels_of(config);
  std::vector<Wanted> all;
  if (!exports.textfile.path.empty()) {
    TextfileSinkOptions options{exports.textfile.path, prometheus_options(config)};
    options.text.fine_buckets = exports.textfile.buckets == "fine";
    all.push_back({"textfile", joined({options.path, exports.textfile.buckets, exports.prefix, labels}),
                   [options] { return std::unique_ptr<Sink>(std::make_unique<TextfileSink>(options)); }});
  }
  if (!exports.json.path.empty()) {
    const std::string path = exports.json.path;
    all.push_back({"json", joined({path}),
                   [path] { return std::unique_ptr<Sink>(std::make_unique<JsonSink>(JsonSinkOptions{path})); }});
  }
  if (!influxdb.file.empty()) {
    const InfluxFileOptions options{influxdb.file, influx_options(config)};
    all.push_back({"influxdb file", joined({influxdb.file, labels}),
                   [options] { return std::unique_ptr<Sink>(std::make_unique<InfluxFileSink>(options)); }});
  }
  if (!influxdb.url.empty()) {
    const InfluxPushOptions options = push_options(config, token_of(influxdb));
    const auto make = [options]() -> Result<std::unique_ptr<Sink>> {
      Result<std::unique_ptr<InfluxPushSink>> made = InfluxPushSink::make(options);
      if (!made) return made.error();
      return std::unique_ptr<Sink>(std::move(*made));
    };
    all.push_back(
        {"influxdb",
         joined({options.url, std::to_string(options.version), options.database, options.org, options.bucket,
                 options.token, std::to_string(options.batch_points), std::to_string(options.queue_points), labels}),
         make});
  }
  return all;
}

void Outputs::configure(const Config& config) {
  std::vector<Output> now;
  for (const Wanted& wanted : wanted(config)) {
    const auto same = [&](const Output& old) {
      return old.thread && old.settings == wanted.settings && old.thread->counters().name == wanted.name;
    };
    const auto old = std::find_if(outputs_.begin(), outputs_.end(), same);
    if (old != outputs_.end()) {
      now.push_back(std::move(*old));
      continue;
    }
    Result<std::unique_ptr<Sink>> sink = wanted.make();
    if (!sink) {
      spdlog::error("the export {} is left out: {}", wanted.name, sink.error().message);
      continue;
    }
    Result<std::unique_ptr<SinkThread>> thread = SinkThread::start(wanted.name, std::move(*sink));
    if (!thread) {
      spdlog::error("the export {} is left out: {}", wanted.name, thread.error().message);
      continue;
    }
    now.push_back({wanted.settings, std::move(*thread)});
  }
  for (Output& old : outputs_) {
    if (old.thread) retire(std::move(old.thread));
  }
  outputs_ = std::move(now);
}

void Outputs::retire(std::unique_ptr<SinkThread> thread) {
  retiring_.emplace_back([sink = std::move(thread)] { sink->stop(Sink::Clock::now() + kRetireTime); });
}

void Outputs::add(const SinkThread::SharedReport& report) {
  for (const Output& output : outputs_) output.thread->add(report);
}

std::vector<SinkCounters> Outputs::counters() const {
  std::vector<SinkCounters> all;
  for (const Output& output : outputs_) all.push_back(output.thread->counters());
  return all;
}

void Outputs::stop(std::chrono::steady_clock::time_point deadline) {
  std::vector<std::thread> stopping = std::move(retiring_);
  retiring_.clear();
  for (Output& output : outputs_) {
    stopping.emplace_back([sink = std::move(output.thread), deadline] { sink->stop(deadline); });
  }
  outputs_.clear();
  for (std::thread& thread : stopping) thread.join();
}

}  // namespace outrider
