// A real Alertmanager: what it shows as active, and tells its own receivers, is what the channel was told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/eventually.h"
#include "tests/unit/influx_server.h"
#include "tests/unit/notices.h"
#include "userspace/http/client.h"
#include "userspace/notify/channel_thread.h"
#include "userspace/notify/channels.h"
#include "userspace/notify/process.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kProgram = "/usr/bin/prometheus-alertmanager";

std::int64_t now_ms() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count();
}

class AlertmanagerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::access(kProgram, X_OK) != 0) GTEST_SKIP() << "needs the package prometheus-alertmanager";
    std::string name = (std::filesystem::temp_directory_path() / "outrider-alertmanager-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    port_ = InfluxServer().port();  // free again
    std::ofstream(dir_ / "am.yml") << "route: {receiver: hook, group_wait: 100ms, group_interval: 1s}\n"
                                      "receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:"
                                   << receiver_.port() << "/', send_resolved: true}]}]\n";
    server_ = std::thread([this] {
      ended_ = run_process({{kProgram, "--config.file=" + (dir_ / "am.yml").string(), "--storage.path=" + dir_.string(),
                             "--web.listen-address=127.0.0.1:" + std::to_string(port_), "--cluster.listen-address="},
                            "",
                            1h,
                            [this] { return stop_.load(); }});
    });
    ASSERT_TRUE(eventually([&] { return get("/-/ready").has_value(); })) << "it does not come up";
  }
  void TearDown() override {
    stop_ = true;
    if (server_.joinable()) server_.join();
    if (!dir_.empty()) std::filesystem::remove_all(dir_);
  }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::optional<std::string> get(const std::string& path) const {
    HttpCall call;
    call.url = url() + path;
    const auto reply = http_request(call);
    return reply && reply->ok() ? std::optional(reply->body) : std::nullopt;
  }
  [[nodiscard]] json active() const { return json::parse(get("/api/v2/alerts?active=true").value_or("[]")); }
  /// Whether its own receiver was told this of an alert.
  [[nodiscard]] bool told(const std::string& status, const std::string& target) {
    for (const std::string& request : receiver_.requests()) {
      const json body = json::parse(request.substr(request.find("\r\n\r\n") + 4));
      for (const auto& alert : body["alerts"]) {
        if (alert["status"] == status && alert["labels"]["target"] == target) return true;
      }
    }
    return false;
  }

  InfluxServer receiver_{{}};
  std::filesystem::path dir_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  Status ended_ = Ok{};
  std::thread server_;
};

TEST_F(AlertmanagerTest, an_incident_is_active_until_it_is_resolved) {
  AlertmanagerOptions options;
  options.post.url = url();
  options.valid_for = 2s;
  auto channel = make_channel(options);
  ASSERT_TRUE(channel) << channel.error().message;
  QueueOptions queue;
  queue.group_wait = 0ms;
  queue.repeat_interval = 500ms;
  auto thread = ChannelThread::start("alertmanager", *std::move(channel), queue);
  ASSERT_TRUE(thread) << thread.error().message;
  auto begin = notice("id-1");
  begin.since_ms = now_ms() - 30'000;
  begin.at_ms = now_ms();
  (*thread)->add(begin);
  ASSERT_TRUE(eventually([&] { return active().size() == 1; })) << (*thread)->counters().last_error;
  EXPECT_EQ(active()[0]["labels"]["alertname"], "High Response Time");
  EXPECT_EQ(active()[0]["annotations"]["id"], "id-1");
  EXPECT_TRUE(eventually([&] { return told("firing", "engine"); }));

  // It would be over by itself after 2 s if it were not told again; and a worse one is the same alert.
  auto worse = begin;
  worse.what = Notice::What::kWorse;
  worse.severity = Severity::kCritical;
  worse.value = 0.9;
  (*thread)->add(worse);
  std::this_thread::sleep_for(3s);
  ASSERT_EQ(active().size(), 1U);
  EXPECT_EQ(active()[0]["labels"]["severity"], "warning");
  EXPECT_EQ(active()[0]["annotations"]["value"], "0.9");
  EXPECT_FALSE(told("resolved", "engine"));

  auto end = begin;
  end.what = Notice::What::kResolved;
  end.at_ms = now_ms();
  (*thread)->add(end);
  EXPECT_TRUE(eventually([&] { return active().empty(); }));
  EXPECT_TRUE(eventually([&] { return told("resolved", "engine"); }));
  EXPECT_EQ((*thread)->counters().failed, 0U) << (*thread)->counters().last_error;
}

}  // namespace
}  // namespace outrider
