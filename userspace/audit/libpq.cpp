#include "userspace/audit/libpq.h"

#include <dlfcn.h>

#include <cerrno>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>

namespace outrider {
namespace {

struct Loaded {
  LibPq functions;
  std::string error;  // empty: all of them are there
};

Loaded load_all() {
  Loaded loaded;
  void* const library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    loaded.error = "an audit of PostgreSQL needs its client library (package libpq5)";
    return loaded;
  }
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr) loaded.error = std::string("libpq.so.5 has no ") + name;
  };
  LibPq& pq = loaded.functions;
  find("PQconnectStartParams", pq.connect_start_params);
  find("PQconnectPoll", pq.connect_poll);
  find("PQfinish", pq.finish);
  find("PQstatus", pq.status);
  find("PQsocket", pq.socket);
  find("PQerrorMessage", pq.error_message);
  find("PQserverVersion", pq.server_version);
  find("PQsendQuery", pq.send_query);
  find("PQconsumeInput", pq.consume_input);
  find("PQisBusy", pq.is_busy);
  find("PQgetResult", pq.get_result);
  find("PQresultStatus", pq.result_status);
  find("PQgetvalue", pq.getvalue);
  find("PQclear", pq.clear);
  return loaded;
}

}  // namespace

Result<const LibPq*> LibPq::load() {
  // One that was not there may be installed later.
  static std::mutex mutex;
  static std::optional<Loaded> loaded;
  const std::lock_guard lock(mutex);
  if (!loaded || !loaded->error.empty()) loaded = load_all();
  if (!loaded->error.empty()) return Error{loaded->error, ENOENT};
  return &loaded->functions;
}

}  // namespace outrider
