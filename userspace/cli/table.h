// The table on a terminal: one line for each target and interval, and what happened in all at the end.
// Not thread-safe.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "userspace/model/snapshot.h"

namespace outrider {

struct TableOptions {
  bool colour = false;   ///< the output is a terminal that wants it
  bool by_type = false;  ///< a line for each query type under each target's
};

class Table {
 public:
  /// `out` is borrowed.
  Table(std::FILE* out, const TableOptions& options) : out_(out), options_(options) {}

  void print(const std::vector<Snapshot>& snapshots);

 private:
  void header(std::size_t label_width);
  void line(const Snapshot& snapshot);
  void type_lines(const Snapshot& snapshot);
  void summary(const Snapshot& snapshot);

  std::FILE* out_;
  TableOptions options_;
  unsigned lines_ = 0;
  std::size_t label_width_ = 6;
};

/// The largest parts of a wall time, "lock 62% cpu 20% sync 9%"; "-" if unknown.
std::string format_waits(const std::optional<WaitSeconds>& waits, std::size_t most);

}  // namespace outrider
