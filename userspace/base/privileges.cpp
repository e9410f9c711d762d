// Of libcap, what concerns the calling thread: without libpsx, which would make every thread follow, none does.
#include "userspace/base/privileges.h"

#include <linux/capability.h>
#include <spdlog/spdlog.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <type_traits>

namespace outrider {
namespace {

struct FreeSets {
  void operator()(cap_t sets) const { cap_free(sets); }
};
/// The permitted, effective and inheritable set of a thread.
using Sets = std::unique_ptr<std::remove_pointer_t<cap_t>, FreeSets>;

bool has(const Sets& sets, int capability, cap_flag_t set) {
  cap_flag_value_t value = CAP_CLEAR;
  return cap_get_flag(sets.get(), capability, set, &value) == 0 && value == CAP_SET;
}

void set(const Sets& sets, int capability, cap_flag_t which) {
  const cap_value_t value = capability;
  cap_set_flag(sets.get(), which, 1, &value, CAP_SET);
}

// No program that the agent starts can have those any more. Who is not root may not cut the set, and has no use for it.
Status cut_bounding_set(const Sets& before, const std::vector<int>& kept) {
  if (!has(before, CAP_SETPCAP, CAP_EFFECTIVE)) return Ok{};
  for (int capability = 0; capability < cap_max_bits(); ++capability) {
    if (std::find(kept.begin(), kept.end(), capability) != kept.end() || cap_get_bound(capability) <= 0) continue;
    if (cap_drop_bound(capability) != 0) return Error::from_errno(errno, "cut the capability bounding set");
  }
  return Ok{};
}

// The kernel empties the ambient set with the inheritable one, which is never filled here.
Status become(const Sets& sets) {
  if (!sets) return Error::from_errno(ENOMEM, "make a set of capabilities");
  if (cap_set_proc(sets.get()) == 0) return Ok{};
  return Error::from_errno(errno, "give up capabilities (a filter of system calls must allow capset)");
}

}  // namespace

Status keep_capabilities(const std::vector<int>& kept) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Error::from_errno(errno, "set no_new_privs");
  const Sets before(cap_get_proc());
  const Sets after(cap_init());
  if (!before || !after) return Error::from_errno(errno, "read the capabilities");
  if (Status cut = cut_bounding_set(before, kept); !cut) return cut;
  for (const int capability : kept) {
    if (!has(before, capability, CAP_PERMITTED)) continue;
    set(after, capability, CAP_PERMITTED);
    set(after, capability, CAP_EFFECTIVE);
  }
  return become(after);
}

void drop_capabilities() {
  const Status dropped = become(Sets(cap_init()));
  if (dropped) return;
  spdlog::critical("{}", dropped.error().message);
  std::abort();
}

std::string advice_on_refusal(int code) {
  if (code != EACCES || geteuid() != 0) return {};
  const Sets sets(cap_get_proc());
  if (!sets || has(sets, CAP_DAC_OVERRIDE, CAP_EFFECTIVE)) return {};
  return "; the service has given up CAP_DAC_OVERRIDE, so even as root it writes only where root may by the "
         "permissions: give it a directory of root's";
}

}  // namespace outrider
