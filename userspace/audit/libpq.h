// PostgreSQL's client library, loaded when the first audit asks for it: it brings libraries for LDAP, Kerberos and TLS,
// which have no business in an agent with privileges that nobody asked to talk to a PostgreSQL. Thread-safe.
#pragma once

#include <libpq-fe.h>

#include "userspace/base/result.h"

namespace outrider {

/// The functions that are used of it, by their own names. They stay loaded until the process ends.
struct LibPq {
  decltype(&PQconnectStartParams) connect_start_params = nullptr;
  decltype(&PQconnectPoll) connect_poll = nullptr;
  decltype(&PQfinish) finish = nullptr;
  decltype(&PQstatus) status = nullptr;
  decltype(&PQsocket) socket = nullptr;
  decltype(&PQerrorMessage) error_message = nullptr;
  decltype(&PQserverVersion) server_version = nullptr;
  decltype(&PQsendQuery) send_query = nullptr;
  decltype(&PQconsumeInput) consume_input = nullptr;
  decltype(&PQisBusy) is_busy = nullptr;
  decltype(&PQgetResult) get_result = nullptr;
  decltype(&PQresultStatus) result_status = nullptr;
  decltype(&PQgetvalue) getvalue = nullptr;
  decltype(&PQclear) clear = nullptr;

  /// Errors: it is not installed.
  static Result<const LibPq*> load();
};

}  // namespace outrider
