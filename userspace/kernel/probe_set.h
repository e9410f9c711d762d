// The probes of one file, attached and detached by group. Owns its links; destroying it detaches. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/base/result.h"

struct bpf_link;
struct bpf_program;

namespace outrider {

/// One site in one role.
struct ProbeSite {
  outrider_role role = OUTRIDER_ROLE_QUERY_START;
  unsigned group = 0;                ///< what is attached and detached together
  bool at_return = false;            ///< of the function that begins there
  std::uint64_t offset = 0;          ///< in the file
  std::uint64_t ref_ctr_offset = 0;  ///< of the semaphore, in the file; 0: none
  outrider_site spec{};
  std::string name;  ///< for messages
};

struct LinkDeleter {
  void operator()(bpf_link* link) const;
};
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

class ProbeSet {
 public:
  ProbeSet() = default;
  ProbeSet(ProbeSet&&) = default;
  ProbeSet& operator=(ProbeSet&& other) noexcept;
  ProbeSet(const ProbeSet&) = delete;
  ProbeSet& operator=(const ProbeSet&) = delete;
  ~ProbeSet();

  /// Attaches every site of `group`; success if it was attached already or has no sites. A site that the kernel
  /// refuses is left out and listed in `skipped`; the error is that none could be attached.
  Status attach(unsigned group);
  void detach(unsigned group);
  [[nodiscard]] bool attached(unsigned group) const { return links_.contains(group); }
  [[nodiscard]] std::vector<std::string> skipped() const;

 private:
  friend class BpfSession;

  struct Numbered {
    ProbeSite site;
    std::uint64_t cookie = 0;
    const bpf_program* program = nullptr;
  };

  Status attach_together(const std::vector<const Numbered*>& sites, std::vector<Link>& links,
                         std::vector<std::string>& skipped) const;
  /// `sites` share a program, and are all at a return or none.
  Link attach_multi(const std::vector<const Numbered*>& sites) const;
  Link attach_single(const Numbered& site) const;

  std::string path_;
  bool multi_ = true;
  std::vector<Numbered> sites_;
  std::map<unsigned, std::vector<Link>> links_;
  std::map<unsigned, std::vector<std::string>> skipped_;  // by group, of its last attach
  std::function<void()> release_;                         ///< gives the cookies back to the session
};

}  // namespace outrider
