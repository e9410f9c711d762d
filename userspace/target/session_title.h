// Whose work a server's process does, as the process's title says. Pure function, thread-safe.
#pragma once

#include <optional>
#include <string_view>

#include "userspace/model/single_query.h"

namespace outrider {

/// Of the title of a PostgreSQL backend, "postgres: [CLUSTER: ]USER DATABASE CLIENT ACTIVITY" (ps_status.c and
/// postmaster.c of version 15; 11 and later are alike). Nothing of other processes, and of titles in which a user or
/// database has a blank in its name; but a user called "x:" with a database called "alice bench" cannot be told from
/// alice of the cluster x. It is the user that logged in, whatever role it takes later.
std::optional<ClientSession> session_of_title(std::string_view title);

}  // namespace outrider
