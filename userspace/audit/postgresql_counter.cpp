#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string>
#include <utility>

#include "userspace/audit/engine_counter.h"
#include "userspace/audit/libpq.h"

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFirstWithInfo = 140'000;
// Without the statements' texts, which are in a file. Those that were started anew, reset or dropped for want of room
// begin another epoch.
constexpr const char* kCount =
    "SELECT coalesce(sum(calls), 0)::bigint, pg_postmaster_start_time()::text || (SELECT stats_reset::text || '/' || "
    "dealloc "
    "FROM pg_stat_statements_info) FROM pg_stat_statements(false)";
constexpr const char* kOldCount =
    "SELECT coalesce(sum(calls), 0)::bigint, pg_postmaster_start_time()::text FROM pg_stat_statements(false)";

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

// libpq's messages have several lines, of which the first one says it.
Error error_of(std::string_view message) {
  return Error{fmt::format("PostgreSQL: {}", message.substr(0, message.find('\n')))};
}

/// One connection, for one query. A server that hangs must not keep us, so no step is one that waits by itself.
class Client {
 public:
  Client(const LibPq& pq, Clock::time_point deadline) : pq_(pq), connection_(nullptr, pq.finish), deadline_(deadline) {}

  Status connect(const std::string& uri);
  Result<Answer> ask(const char* query);
  [[nodiscard]] int server_version() const { return pq_.server_version(connection_.get()); }

 private:
  [[nodiscard]] Error error() const { return error_of(pq_.error_message(connection_.get())); }
  [[nodiscard]] bool wait_for(short events) const;

  const LibPq& pq_;
  Connection connection_;
  Clock::time_point deadline_;
};

bool Client::wait_for(short events) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
  pollfd ready{.fd = pq_.socket(connection_.get()), .events = events, .revents = 0};
  return poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) > 0;
}

Status Client::connect(const std::string& uri) {
  // What the URI says of the same goes before these.
  const std::array<const char*, 4> keys{"application_name", "options", "dbname", nullptr};
  const std::array<const char*, 4> values{
      "outrider audit", "-c default_transaction_read_only=on -c statement_timeout=5s", uri.c_str(), nullptr};
  connection_.reset(pq_.connect_start_params(keys.data(), values.data(), 1));
  if (!connection_) return Error{"out of memory", ENOMEM};
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (pq_.status(connection_.get()) == CONNECTION_BAD || state == PGRES_POLLING_FAILED) return error();
    if (!wait_for(state == PGRES_POLLING_READING ? POLLIN : POLLOUT)) return error_of("it lets nobody in in time");
    state = pq_.connect_poll(connection_.get());
  }
  return Ok{};
}

Result<Answer> Client::ask(const char* query) {
  if (pq_.send_query(connection_.get(), query) == 0) return error();
  while (pq_.is_busy(connection_.get()) != 0) {
    if (!wait_for(POLLIN)) return error_of("it does not answer in time");
    if (pq_.consume_input(connection_.get()) == 0) return error();
  }
  Answer answer(pq_.get_result(connection_.get()), pq_.clear);
  if (pq_.result_status(answer.get()) != PGRES_TUPLES_OK) return error();
  return answer;
}

class PostgresqlCounter : public EngineCounter {
 public:
  explicit PostgresqlCounter(std::string uri) : uri_(std::move(uri)) {}

  Result<EngineCount> read() override {
    const Result<const LibPq*> pq = LibPq::load();
    if (!pq) return pq.error();
    Client client(**pq, Clock::now() + kPatience);
    if (Status status = client.connect(uri_); !status) return status.error();
    const Result<Answer> answer = client.ask(client.server_version() >= kFirstWithInfo ? kCount : kOldCount);
    if (!answer) {
      const bool missing = answer.error().message.find("pg_stat_statements(") != std::string::npos;
      return Error{answer.error().message + (missing ? ": CREATE EXTENSION pg_stat_statements in that database" : "")};
    }
    EngineCount count;
    const std::string_view calls = (*pq)->getvalue(answer->get(), 0, 0);
    if (std::from_chars(calls.data(), calls.data() + calls.size(), count.queries).ec != std::errc{}) {
      return error_of("a number of calls that is none");
    }
    count.epoch = (*pq)->getvalue(answer->get(), 0, 1);
    return count;
  }

  /// A statement is counted when it has been run to its end.
  [[nodiscard]] bool counts_failed() const override { return false; }

 private:
  std::string uri_;
};

}  // namespace

std::unique_ptr<EngineCounter> make_postgresql_counter(const std::string& uri) {
  return std::make_unique<PostgresqlCounter>(uri);
}

}  // namespace outrider
