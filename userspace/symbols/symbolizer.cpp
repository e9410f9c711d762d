#include "userspace/symbols/symbolizer.h"

#include <cxxabi.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace outrider {
namespace {

constexpr std::size_t kMaxProcesses = 4096;
constexpr std::size_t kMaxCached = 1U << 16;  // names of one file
constexpr std::size_t kMostFiles = 256;       // each is open, of the 1,024 descriptors that a process has by default
constexpr std::size_t kLongestName = 512;

std::string base_name(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// Whether an instruction that calls ends right behind these bytes.
bool is_call_before(const std::array<unsigned char, 8>& code, std::size_t length) {
#if defined(__x86_64__)
  const auto at = [&](std::size_t back) { return back <= length ? code.at(length - back) : 0U; };
  if (at(5) == 0xe8) return true;  // call rel32
  for (std::size_t back = 2; back <= 7; ++back) {
    // call r/m64: ff /2, two to seven bytes with what follows the addressing mode
    if (at(back) == 0xff && (at(back - 1) & 0x38U) == 0x10U) return true;
  }
  return false;
#else
  if (length < 4) return false;
  const unsigned word = code[length - 4] | code[length - 3] << 8U | code[length - 2] << 16U |
                        static_cast<unsigned>(code[length - 1]) << 24U;
  return (word & 0xfc000000U) == 0x94000000U || (word & 0xfffffc1fU) == 0xd63f0000U ||  // bl, blr
         (word & 0xfefff800U) == 0xd63f0800U;                                           // blraa and its like
#endif
}

}  // namespace

std::string demangle(std::string_view name) {
  const std::string text(name);
  std::string result = text;
  if (name.starts_with("_Z")) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> pretty(
        abi::__cxa_demangle(text.c_str(), nullptr, nullptr, &status), &std::free);
    if (pretty != nullptr && status == 0) result = pretty.get();
  }
  if (result.size() > kLongestName) result = result.substr(0, kLongestName - 3) + "...";
  return result;
}

bool is_outermost(std::string_view name, std::string_view file) {
  static constexpr std::array<std::string_view, 5> kAnywhere = {
      "main", "_start", "__libc_start_main", "__libc_start_call_main", "execute_native_thread_routine"};
  static constexpr std::array<std::string_view, 5> kOfLibc = {"clone", "clone3", "__clone3", "start_thread",
                                                              "thread_start"};
  static constexpr std::array<std::string_view, 4> kLibc = {"libc.", "libc-", "libpthread", "ld-"};
  const auto is_one_of = [name](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (is_one_of(kAnywhere)) return true;
  const bool in_libc = std::any_of(kLibc.begin(), kLibc.end(), [file](auto begin) { return file.starts_with(begin); });
  if (in_libc && is_one_of(kOfLibc)) return true;
  return name.starts_with("std::thread::_State_impl<") && name.ends_with("::_M_run()");
}

Symbolizer::Symbolizer(SymbolizerOptions options) : options_(std::move(options)) {}

std::size_t Symbolizer::Image::bytes() const { return table.bytes() + names.size() * 128 + calls.size() * 32; }

void Symbolizer::begin_round() {
  ++round_;
  if (processes_.size() > kMaxProcesses) processes_.clear();
  forget_oldest();
}

void Symbolizer::forget_oldest() {
  std::size_t bytes = 0;
  for (const auto& [key, image] : images_) bytes += image->bytes();
  while ((bytes > options_.most_bytes || images_.size() > kMostFiles) && !images_.empty()) {
    const auto oldest = std::min_element(images_.begin(), images_.end(), [](const auto& a, const auto& b) {
      return a.second->last_round < b.second->last_round;
    });
    bytes -= oldest->second->bytes();
    images_.erase(oldest);
  }
}

const ExecutableMapping* Symbolizer::mapping_of(pid_t pid, std::uint64_t address) {
  Mappings& process = processes_[pid];
  const auto find = [&]() -> const ExecutableMapping* {
    const auto after =
        std::upper_bound(process.list.begin(), process.list.end(), address,
                         [](std::uint64_t at, const ExecutableMapping& mapping) { return at < mapping.begin; });
    if (after == process.list.begin() || address >= std::prev(after)->end) return nullptr;
    return &*std::prev(after);
  };
  if (process.read_in != round_) {
    process.read_in = round_;
    if (auto read = read_maps(options_.procfs, pid)) {
      process.list = std::move(*read);
      process.seen = true;
    } else if (!process.seen) {
      ++missed_;
    }
  }
  return find();
}

void Symbolizer::add_debug_file(pid_t pid, SymbolTable& table) const {
  if (table.has_symtab() || table.build_id().size() < 4) return;
  const std::string file =
      fmt::format("{}/{}/{}.debug", options_.debug_files, table.build_id().substr(0, 2), table.build_id().substr(2));
  for (const std::string& path : {file, fmt::format("{}/{}/root{}", options_.procfs, pid, file)}) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd.valid()) continue;
    Result<SymbolTable> debug = SymbolTable::read(fd.get(), path);
    if (!debug || debug->build_id() != table.build_id() || debug->size() == 0) continue;
    table.take_functions(std::move(*debug));
    return;
  }
}

std::unique_ptr<Symbolizer::Image> Symbolizer::load(pid_t pid, const ExecutableMapping& mapping) const {
  auto image = std::make_unique<Image>();
  image->name = base_name(mapping.path);
  if (image->name.starts_with('[')) image->name = image->name.substr(1, image->name.find(']') - 1);
  if (image->name.empty()) image->name = "anonymous";
  image->fd = open_mapping(options_.procfs, pid, mapping);
  if (!image->fd.valid()) return image;
  image->version = file_version(image->fd);
  Result<SymbolTable> table = SymbolTable::read(image->fd.get(), mapping.path);
  if (!table) return image;
  image->elf = true;
  image->table = std::move(*table);
  add_debug_file(pid, image->table);
  return image;
}

Symbolizer::Image& Symbolizer::image_of(pid_t pid, const ExecutableMapping& mapping) {
  std::unique_ptr<Image>& image = images_[{mapping.device, mapping.inode, mapping.path}];
  // One that could not be opened may be open to another process, and any may have been written anew in its place.
  const auto stale = [&] { return !image->fd.valid() || file_version(image->fd) != image->version; };
  if (!image || (mapping.inode != 0 && image->last_round != round_ && stale())) image = load(pid, mapping);
  image->last_round = round_;
  return *image;
}

bool Symbolizer::ends_call(Image& image, std::uint64_t offset) {
  if (!image.fd.valid()) return true;  // it cannot be told
  const auto known = image.calls.find(offset);
  if (known != image.calls.end()) return known->second;
  std::array<unsigned char, 8> code{};
  const std::uint64_t length = std::min<std::uint64_t>(offset, code.size());
  const bool call =
      pread(image.fd.get(), code.data(), length, static_cast<off_t>(offset - length)) == static_cast<ssize_t>(length) &&
      is_call_before(code, length);
  if (image.calls.size() < kMaxCached) image.calls.emplace(offset, call);
  return call;
}

CodeName Symbolizer::name_at(Image& image, std::uint64_t offset) {
  const auto known = image.names.find(offset);
  if (known != image.names.end()) return known->second;
  const auto address = image.elf ? image.table.address_of(offset) : std::nullopt;
  const auto function = address ? image.table.find(*address) : std::nullopt;
  CodeName code{
      .name = function ? demangle(*function) : fmt::format("[{}+{:#x}]", image.name, address.value_or(offset)),
      .known = function.has_value()};
  code.outermost = code.known && is_outermost(code.name, image.name);
  if (image.names.size() < kMaxCached) image.names.emplace(offset, code);
  return code;
}

std::optional<CodeName> Symbolizer::user(pid_t pid, std::uint64_t address, bool is_return) {
  if (address == 0) return std::nullopt;
  const std::uint64_t at = is_return ? address - 1 : address;
  const ExecutableMapping* mapping = mapping_of(pid, at);
  if (mapping == nullptr) return std::nullopt;
  Image& image = image_of(pid, *mapping);
  const std::uint64_t offset = at - mapping->begin + mapping->offset;
  if (is_return && !ends_call(image, offset + 1)) return std::nullopt;
  return name_at(image, offset);
}

NamedStack name_user_stack(Symbolizer& symbolizer, pid_t pid, const std::vector<std::uint64_t>& addresses, bool whole) {
  NamedStack stack;
  stack.names.reserve(addresses.size());
  for (const std::uint64_t address : addresses) {
    auto code = symbolizer.user(pid, address, !stack.names.empty());
    if (!code) return stack;
    stack.names.push_back(std::move(code->name));
    // Not the innermost: that is a thread which is just being started from here.
    stack.whole = code->outermost && stack.names.size() > 1;
    if (stack.whole) return stack;
  }
  stack.whole = whole;
  return stack;
}

std::string Symbolizer::kernel(std::uint64_t address) {
  if (!kernel_) kernel_ = KernelSymbols::read(options_.procfs + "/kallsyms");
  const std::string_view name = kernel_->find(address);
  return name.empty() ? "[kernel]" : std::string(name) + "_[k]";
}

}  // namespace outrider
