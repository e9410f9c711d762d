#include "userspace/model/single_query.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace outrider {

std::string session_words(const ClientSession& session) {
  std::string words = session.user.empty() ? "" : "user " + session.user;
  if (!session.database.empty()) words += (words.empty() ? "database " : ", database ") + session.database;
  return words;
}

// Pointers are sorted, for a query is large.
void keep_slowest(std::vector<SlowQuery>& queries, std::size_t most) {
  std::vector<SlowQuery*> order;
  order.reserve(queries.size());
  for (SlowQuery& query : queries) order.push_back(&query);
  std::stable_sort(order.begin(), order.end(),
                   [](const SlowQuery* a, const SlowQuery* b) { return a->duration_ns > b->duration_ns; });
  std::unordered_map<std::string_view, std::size_t> kept;
  std::erase_if(order, [&](const SlowQuery* query) { return ++kept[query->type] > most; });
  std::vector<SlowQuery> slowest;
  slowest.reserve(order.size());
  for (SlowQuery* query : order) slowest.push_back(std::move(*query));
  queries = std::move(slowest);
}

}  // namespace outrider
