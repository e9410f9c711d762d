#include "userspace/kernel/in_flight.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <utility>

#include "userspace/base/fd.h"
#include "userspace/kernel/map_walk.h"
#include "userspace/kernel/monotonic.h"
#include "userspace/kernel/probe_set.h"

namespace outrider {
namespace {

constexpr std::size_t kRecordsAtOnce = 32;

std::uint64_t since(std::uint64_t then, std::uint64_t now) { return now - std::min(then, now); }

std::string type_of(const InFlightQuestion& question, std::uint32_t slot) {
  const auto found = question.types.find(slot);
  return found == question.types.end() ? "other" : found->second;
}

// The program writes while the thread goes on: a class or a state that is none is left out.
void note_state(const outrider_in_flight& record, std::uint64_t now, InFlightQuery& query) {
  if (record.state > OUTRIDER_BLOCKED) return;
  query.state = static_cast<outrider_run_state>(record.state);
  query.state_ns = since(record.since_ns, now);
  std::size_t current = OUTRIDER_WAIT_CPU;
  if (query.state == OUTRIDER_RUN_QUEUE) current = OUTRIDER_WAIT_RUN_QUEUE;
  if (query.state == OUTRIDER_BLOCKED && record.wait_class < OUTRIDER_WAIT_CLASSES) {
    query.waits_for = static_cast<outrider_wait_class>(record.wait_class);
    current = record.wait_class;
  }
  query.waits.at(current) += query.state_ns;
}

InFlightQuery unpack(const outrider_in_flight& record, const InFlightQuestion& question) {
  const std::uint64_t now = monotonic_ns();
  InFlightQuery query;
  query.type = type_of(question, record.slot);
  query.start_ms = unix_ms_of(record.start_ns);
  query.age_ns = since(record.start_ns, now);
  query.process = static_cast<pid_t>(record.process);
  query.thread = static_cast<pid_t>(record.thread);
  std::copy(std::begin(record.wait_ns), std::end(record.wait_ns), query.waits.begin());
  note_state(record, now, query);
  query.registers = {.ip = record.ip, .sp = record.sp, .fp = record.fp, .switches = record.switches};
  query.kernel_stack.assign(std::begin(record.kernel),
                            std::find(std::begin(record.kernel), std::end(record.kernel), 0U));
  query.text.assign(&record.text[0], strnlen(&record.text[0], sizeof(record.text)));
  return query;
}

InFlightQuery unpack(const outrider_detached_key& key, const outrider_detached_query& from,
                     const InFlightQuestion& question) {
  InFlightQuery query;
  query.type = type_of(question, from.slot);
  query.start_ms = unix_ms_of(from.start_ns);
  query.age_ns = since(from.start_ns, monotonic_ns());
  query.process = static_cast<pid_t>(key.tgid);
  std::copy(std::begin(from.wait_ns), std::end(from.wait_ns), query.waits.begin());
  return query;
}

}  // namespace

struct InFlightLister::State {
  InFlightAccess access;
  Link iterator;

  template <typename Record, typename Visit>
  Status walk(const InFlightQuestion& question, Visit visit) const;
  Status list_threads(const InFlightQuestion& question, std::vector<InFlightQuery>& queries) const;
  void list_detached(const InFlightQuestion& question, std::vector<InFlightQuery>& queries) const;
};

InFlightLister::InFlightLister(std::unique_ptr<State> state) : state_(std::move(state)) {}
InFlightLister::InFlightLister(InFlightLister&&) noexcept = default;
InFlightLister& InFlightLister::operator=(InFlightLister&&) noexcept = default;
InFlightLister::~InFlightLister() = default;

Result<InFlightLister> InFlightLister::make(const InFlightAccess& access) {
  auto state = std::make_unique<State>();
  state->access = access;
  state->iterator.reset(bpf_program__attach_iter(access.program, nullptr));
  if (!state->iterator) return Error::from_errno(errno, "attach the iterator over queries in flight");
  return InFlightLister(std::move(state));
}

// The kernel hands on what a program has written of one task at once, but cuts it where the buffer ends.
template <typename Record, typename Visit>
Status InFlightLister::State::walk(const InFlightQuestion& question, Visit visit) const {
  *access.target = question.target;
  *access.before_ns = question.before_ns;
  *access.starts_only = std::is_same_v<Record, std::uint64_t> ? 1 : 0;
  const Fd fd(bpf_iter_create(bpf_link__fd(iterator.get())));
  if (!fd.valid()) return Error::from_errno(errno, "walk the tasks");
  std::vector<Record> records(kRecordsAtOnce);
  std::size_t filled = 0;
  for (;;) {
    auto* bytes = reinterpret_cast<char*>(records.data());
    const ssize_t got = ::read(fd.get(), bytes + filled, records.size() * sizeof(Record) - filled);
    if (got < 0 && errno == EAGAIN) continue;
    if (got < 0) return Error::from_errno(errno, "walk the tasks");
    filled += static_cast<std::size_t>(got);
    const std::size_t whole = filled / sizeof(Record);
    if (got != 0 && whole < records.size()) continue;
    std::for_each_n(records.begin(), whole, visit);
    if (got == 0) return Ok{};
    filled = 0;
  }
}

// Of many the oldest are found by their starts first: stacks and texts are taken of them alone.
Status InFlightLister::State::list_threads(const InFlightQuestion& question,
                                           std::vector<InFlightQuery>& queries) const {
  std::vector<std::uint64_t> starts;
  Status status = walk<std::uint64_t>(question, [&](std::uint64_t start) { starts.push_back(start); });
  if (!status || starts.empty()) return status;
  InFlightQuestion oldest = question;
  if (starts.size() > question.most) {
    const auto last = starts.begin() + static_cast<std::ptrdiff_t>(question.most) - 1;
    std::nth_element(starts.begin(), last, starts.end());
    oldest.before_ns = *last + 1;
  }
  return walk<outrider_in_flight>(
      oldest, [&](const outrider_in_flight& record) { queries.push_back(unpack(record, question)); });
}

void InFlightLister::State::list_detached(const InFlightQuestion& question, std::vector<InFlightQuery>& queries) const {
  using Entry = std::pair<outrider_detached_key, outrider_detached_query>;
  std::vector<Entry> entries;
  for_each_entry<outrider_detached_key, outrider_detached_query>(
      access.detached_map, [&](const outrider_detached_key& key, const outrider_detached_query& query) {
        if (query.target != question.target || query.generation != question.generation) return;
        if (query.start_ns < question.before_ns) entries.emplace_back(key, query);
      });
  if (entries.size() > question.most) {
    const auto end = entries.begin() + static_cast<std::ptrdiff_t>(question.most);
    std::nth_element(entries.begin(), end, entries.end(),
                     [](const Entry& a, const Entry& b) { return a.second.start_ns < b.second.start_ns; });
    entries.erase(end, entries.end());
  }
  for (const auto& [key, query] : entries) queries.push_back(unpack(key, query, question));
}

Result<std::vector<InFlightQuery>> InFlightLister::list(const InFlightQuestion& question) const {
  std::vector<InFlightQuery> queries;
  if (Status status = state_->list_threads(question, queries); !status) return status.error();
  state_->list_detached(question, queries);
  std::sort(queries.begin(), queries.end(),
            [](const InFlightQuery& a, const InFlightQuery& b) { return a.age_ns > b.age_ns; });
  if (queries.size() > question.most) queries.resize(question.most);
  return queries;
}

}  // namespace outrider
