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
#include "userspace/service/aside.h"

namespace outrider {
namespace {

// What an export that was switched off may take to hand on what it has queued; less than the agent has when it ends.
constexpr std::chrono::milliseconds kRetireTime{800};

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
  options.ca_file = influxdb.ca_file;
  options.batch_points = influxdb.batch;
  options.queue_points = influxdb.queue;
  options.queue_bytes = influxdb.queue_bytes;
  options.lines = influx_options(config);
  return options;
}

// `past` is of sinks of the same name that are no more.
void add_past(SinkCounters& now, const SinkCounters& past) {
  now.written += past.written;
  now.failed += past.failed;
  now.dropped += past.dropped;
  now.queued += past.queued;
  if (now.last_error.empty()) now.last_error = past.last_error;
  if (!past.points) return;
  if (!now.points) now.points.emplace();
  now.points->sent += past.points->sent;
  now.points->rejected += past.points->rejected;
  now.points->dropped += past.points->dropped;
  now.points->queued += past.points->queued;
}

// What still waits in a sink that is left behind will not be sent.
SinkCounters at_the_end(SinkCounters counters) {
  counters.failing = false;
  if (!counters.points) return counters;
  counters.points->dropped += counters.points->queued;
  counters.points->queued = 0;
  return counters;
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
    all.push_back({"influxdb",
                   joined({options.url, std::to_string(options.version), options.database, options.org, options.bucket,
                           options.token, options.ca_file, std::to_string(options.batch_points),
                           std::to_string(options.queue_points), std::to_string(options.queue_bytes), labels}),
                   make});
  }
  return all;
}

void Outputs::configure(const Config& config) {
  forget_ended();
  const std::vector<Wanted> all = wanted(config);
  const auto is_wanted = [&](const Output& output) {
    return std::any_of(all.begin(), all.end(), [&](const Wanted& wanted) { return wanted.name == output.name; });
  };
  const auto first_unwanted = std::stable_partition(outputs_.begin(), outputs_.end(), is_wanted);
  for (auto unwanted = first_unwanted; unwanted != outputs_.end(); ++unwanted) {
    unwanted->thread->withdraw();
    retire(std::move(*unwanted), Sink::Clock::now() + kRetireTime);
  }
  outputs_.erase(first_unwanted, outputs_.end());
  for (const Wanted& wanted : all) {
    const auto runs = std::find_if(outputs_.begin(), outputs_.end(),
                                   [&](const Output& output) { return output.name == wanted.name; });
    if (runs == outputs_.end()) {
      start(wanted);
    } else {
      change(*runs, wanted);
    }
  }
}

void Outputs::start(const Wanted& wanted) {
  Result<std::unique_ptr<Sink>> sink = wanted.make();
  if (!sink) {
    spdlog::error("the export {} is left out: {}", wanted.name, sink.error().message);
    return;
  }
  // One that is ending may still write to the file that this one is for.
  std::vector<SinkThread::Ended> after;
  for (const Retired& retired : retired_) after.push_back(retired.ended);
  Result<std::unique_ptr<SinkThread>> thread =
      SinkThread::start(wanted.name, std::move(*sink), SinkThread::kQueueLimit, std::move(after));
  if (!thread) {
    spdlog::error("the export {} is left out: {}", wanted.name, thread.error().message);
    return;
  }
  outputs_.push_back({wanted.name, wanted.settings, std::move(*thread)});
}

void Outputs::change(Output& output, const Wanted& wanted) {
  if (output.settings == wanted.settings) return;
  Result<std::unique_ptr<Sink>> fresh = wanted.make();
  if (!fresh) {
    spdlog::error("the export {} stays as it was: {}", wanted.name, fresh.error().message);
    return;
  }
  output.thread->become(std::move(*fresh));
  output.settings = wanted.settings;
}

void Outputs::retire(Output output, Sink::Clock::time_point deadline) {
  const std::shared_ptr<SinkThread> thread = std::move(output.thread);
  retired_.push_back({output.name, thread, do_aside([thread, deadline] { thread->stop(deadline); })});
}

void Outputs::forget_ended() {
  // Asked once only: one that ends in between must be both counted and forgotten, or neither.
  const auto ended = std::stable_partition(retired_.begin(), retired_.end(),
                                           [](const Retired& retired) { return !has_ended(retired.ended); });
  for (auto one = ended; one != retired_.end(); ++one) {
    add_past(past_[one->name], at_the_end(one->thread->counters()));
  }
  retired_.erase(ended, retired_.end());
}

void Outputs::add(const SinkThread::SharedReport& report) {
  forget_ended();
  for (const Output& output : outputs_) output.thread->add(report);
}

std::vector<SinkCounters> Outputs::counters() const {
  std::map<std::string, SinkCounters> past = past_;
  for (const Retired& retired : retired_) add_past(past[retired.name], retired.thread->counters());
  std::vector<SinkCounters> all;
  for (const Output& output : outputs_) {
    all.push_back(output.thread->counters());
    const auto before = past.find(output.name);
    if (before == past.end()) continue;
    add_past(all.back(), before->second);
    past.erase(before);
  }
  for (auto& [name, counters] : past) {
    all.push_back(std::move(counters));
    all.back().name = name;
  }
  return all;
}

void Outputs::stop(std::chrono::steady_clock::time_point deadline) {
  for (Output& output : outputs_) retire(std::move(output), deadline);
  outputs_.clear();
  for (const Retired& retired : retired_) retired.ended.wait();
  forget_ended();
}

}  // namespace outrider
