/* A watcher inside the watched process: puts a breakpoint on every probe site of this program, raises the semaphores
 * and writes down what each probe passed, read from the registers that its note names. It does what a kernel probe
 * does, without a kernel's help, so that the guards can be tested anywhere. One at a time. */
#ifndef OUTRIDER_TESTS_UNIT_USDT_TRAP_H
#define OUTRIDER_TESTS_UNIT_USDT_TRAP_H

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace outrider::testing {

struct TrapSite {
  std::string probe;
  std::uintptr_t address = 0;
  std::uintptr_t semaphore = 0;
  std::vector<int> registers;  // indexes into the general registers of mcontext_t
};

struct TrapEvent {
  const TrapSite* site = nullptr;
  std::array<std::uint64_t, 8> args{};
  char text[32] = {};  // of argument 0 or 1, whichever is the string
};

// What differs between processors: the instructions at a site, the names of registers, and where a signal has them.
#if defined(__x86_64__)
using Instruction = std::uint8_t;
constexpr Instruction kBreakpoint = 0xcc, kNop = 0x90;

inline int register_index(const std::string& name) {
  static const std::map<std::string, int> kRegisters = {
      {"%rax", REG_RAX}, {"%rbx", REG_RBX}, {"%rcx", REG_RCX}, {"%rdx", REG_RDX}, {"%rsi", REG_RSI},
      {"%rdi", REG_RDI}, {"%rbp", REG_RBP}, {"%r8", REG_R8},   {"%r9", REG_R9},   {"%r10", REG_R10},
      {"%r11", REG_R11}, {"%r12", REG_R12}, {"%r13", REG_R13}, {"%r14", REG_R14}, {"%r15", REG_R15}};
  return kRegisters.at(name);
}

inline std::uint64_t register_of(const mcontext_t& context, int index) {
  return static_cast<std::uint64_t>(context.gregs[index]);
}

// Where the breakpoint was, which the thread has passed.
inline std::uintptr_t leave_breakpoint(mcontext_t& context) {
  return static_cast<std::uintptr_t>(context.gregs[REG_RIP]) - sizeof(Instruction);
}
#elif defined(__aarch64__)
using Instruction = std::uint32_t;
constexpr Instruction kBreakpoint = 0xd4200000, kNop = 0xd503201f;  // brk #0, nop

inline int register_index(const std::string& name) {  // "x0"
  if (name.at(0) != 'x') throw std::out_of_range(name);
  return std::stoi(name.substr(1));
}

inline std::uint64_t register_of(const mcontext_t& context, int index) { return context.regs[index]; }

// The thread stands before it, and would stand there again.
inline std::uintptr_t leave_breakpoint(mcontext_t& context) {
  const std::uintptr_t at = context.pc;
  context.pc += sizeof(Instruction);
  return at;
}
#endif

// "8@%rdi -8@%rdx" or "8@x0 -8@x2" -> register indexes
inline std::vector<int> parse_arguments(const std::string& text) {
  std::vector<int> registers;
  std::istringstream words(text);
  for (std::string word; words >> word;) registers.push_back(register_index(word.substr(word.find('@') + 1)));
  return registers;
}

inline std::uintptr_t load_bias() {
  std::uintptr_t bias = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;  // the first is the program
      },
      &bias);
  return bias;
}

inline std::vector<TrapSite> parse_notes(const char* at, const char* end) {
  std::vector<TrapSite> sites;
  while (at < end) {
    Elf64_Nhdr header;
    std::memcpy(&header, at, sizeof(header));
    const char* body = at + sizeof(header) + ((header.n_namesz + 3) & ~3u);
    std::uint64_t addresses[3];
    std::memcpy(addresses, body, sizeof(addresses));
    const char* provider = body + sizeof(addresses);
    const char* probe = provider + std::strlen(provider) + 1;
    const char* arguments = probe + std::strlen(probe) + 1;
    if (std::strcmp(provider, "outrider") == 0)
      sites.push_back({probe, addresses[0] + load_bias(), addresses[2] + load_bias(), parse_arguments(arguments)});
    at = body + ((header.n_descsz + 3) & ~3u);
  }
  return sites;
}

inline std::vector<TrapSite> read_own_sites() {
  std::ifstream file("/proc/self/exe", std::ios::binary | std::ios::ate);
  std::string image(static_cast<std::size_t>(file.tellg()), '\0');
  file.seekg(0).read(image.data(),
                     static_cast<std::streamsize>(image.size()));  // at once: a sanitizer checks each step
  Elf64_Ehdr header;
  std::memcpy(&header, image.data(), sizeof(header));
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), image.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  const char* names = image.data() + sections.at(header.e_shstrndx).sh_offset;
  for (const Elf64_Shdr& section : sections)
    if (std::strcmp(names + section.sh_name, ".note.stapsdt") == 0)
      return parse_notes(image.data() + section.sh_offset, image.data() + section.sh_offset + section.sh_size);
  return {};
}

class TrapWatcher {
 public:
  // Arms the probes named; all of them if none is named.
  explicit TrapWatcher(const std::vector<std::string>& probes = {}) : sites_(read_own_sites()) {
    instance() = this;
    struct sigaction action {};
    action.sa_sigaction = &TrapWatcher::handle;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGTRAP, &action, &previous_);
    for (const TrapSite& site : sites_) {
      if (!probes.empty() && std::find(probes.begin(), probes.end(), site.probe) == probes.end()) continue;
      write_instruction(site.address, kBreakpoint);
      add_to_semaphore(site, 1);
      armed_.push_back(&site);
    }
  }
  ~TrapWatcher() { stop(); }
  TrapWatcher(const TrapWatcher&) = delete;
  TrapWatcher& operator=(const TrapWatcher&) = delete;

  void stop() {
    for (const TrapSite* site : armed_) {
      add_to_semaphore(*site, -1);
      write_instruction(site->address, kNop);
    }
    if (!armed_.empty()) sigaction(SIGTRAP, &previous_, nullptr);
    armed_.clear();
  }

  const std::vector<TrapSite>& sites() const { return sites_; }
  std::vector<TrapEvent> events(const std::string& probe) const {
    std::vector<TrapEvent> out;
    for (std::size_t i = 0; i < count_; ++i)
      if (events_[i].site->probe == probe) out.push_back(events_[i]);
    return out;
  }

 private:
  static TrapWatcher*& instance() {
    static TrapWatcher* watcher = nullptr;
    return watcher;
  }

  static void add_to_semaphore(const TrapSite& site, int change) {
    auto* semaphore = reinterpret_cast<volatile std::uint16_t*>(site.semaphore);
    *semaphore = static_cast<std::uint16_t>(*semaphore + change);
  }

  __attribute__((no_sanitize("thread"))) static void write_instruction(std::uintptr_t address,
                                                                       Instruction instruction) {
    const auto page_size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    void* page = reinterpret_cast<void*>(address & ~(page_size - 1));
    mprotect(page, page_size, PROT_READ | PROT_WRITE | PROT_EXEC);
    *reinterpret_cast<volatile Instruction*>(address) = instruction;
    mprotect(page, page_size, PROT_READ | PROT_EXEC);
    auto* begin = reinterpret_cast<char*>(address);
    __builtin___clear_cache(begin, begin + sizeof(Instruction));
  }

  static void copy_text(TrapEvent& event, const char* from) {
    for (std::size_t i = 0; i + 1 < sizeof(event.text) && from[i]; ++i) event.text[i] = from[i];
  }

  static void handle(int, siginfo_t*, void* raw) {
    mcontext_t& context = static_cast<ucontext_t*>(raw)->uc_mcontext;
    const std::uintptr_t address = leave_breakpoint(context);
    for (const TrapSite* site : instance()->armed_) {
      if (site->address != address) continue;
      TrapEvent& event = instance()->events_.at(instance()->count_++);
      event.site = site;
      for (std::size_t i = 0; i < site->registers.size(); ++i)
        event.args.at(i) = register_of(context, site->registers[i]);
      const bool query = site->probe.rfind("query__", 0) == 0;
      if (site->probe != "query__switch") copy_text(event, reinterpret_cast<const char*>(event.args[query ? 1 : 0]));
      return;
    }
  }

  std::vector<TrapSite> sites_;
  std::vector<const TrapSite*> armed_;
  std::array<TrapEvent, 1024> events_{};
  std::atomic<std::size_t> count_{0};
  struct sigaction previous_ {};
};

}  // namespace outrider::testing

#endif
