// Names of addresses: of this program, of files made by hand, of files that are gone; and what has no name is not given
// one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "tests/unit/elf_builder.h"
#include "userspace/symbols/kernel_symbols.h"
#include "userspace/symbols/process_maps.h"
#include "userspace/symbols/symbol_table.h"
#include "userspace/symbols/symbolizer.h"

namespace outrider {

// Where the caller goes on.
[[gnu::noinline]] std::uint64_t return_address() {
  asm volatile("");
  return reinterpret_cast<std::uint64_t>(__builtin_return_address(0));
}

[[gnu::noinline]] std::uint64_t caller_with_a_name() {
  const std::uint64_t address = return_address();
  asm volatile("");
  return address;
}

namespace {

struct Named {
  std::string name;
  std::uint64_t start = 0, size = 0;
  unsigned char type = STT_FUNC;
  std::uint16_t section = 1;
};

/// Names and entries of a symbol table.
std::pair<std::string, std::string> symbol_table(const std::vector<Named>& symbols) {
  std::string names(1, '\0');
  std::string entries(sizeof(Elf64_Sym), '\0');
  for (const Named& symbol : symbols) {
    Elf64_Sym entry{};
    entry.st_name = static_cast<std::uint32_t>(names.size());
    entry.st_info = ELF64_ST_INFO(STB_GLOBAL, symbol.type);
    entry.st_shndx = symbol.section;
    entry.st_value = symbol.start;
    entry.st_size = symbol.size;
    put(entries, entry);
    names += symbol.name + '\0';
  }
  return {names, entries};
}

Elf64_Ehdr file_header(std::uint64_t sections_at, std::size_t sections) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof(header);
  header.e_shoff = sections_at;
  header.e_ehsize = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<std::uint16_t>(sections);
  return header;
}

/// An ELF file whose text begins at kTextOffset = kTextAddress and is all nops, with a build id and these symbols.
std::string elf_with_symbols(const std::vector<Named>& symbols, std::uint32_t table = SHT_SYMTAB,
                             const std::string& id = "\xde\xad\xbe\xef") {
  const auto [names, entries] = symbol_table(symbols);
  const std::string note =
      raw_note(4, static_cast<std::uint32_t>(id.size()), NT_GNU_BUILD_ID, std::string("GNU\0", 4) + id);
  const std::uint64_t names_at = kTextOffset + 0x1000;
  const auto pages = [](std::size_t size) { return (size + 0xfff) / 0x1000 * 0x1000; };
  const std::uint64_t entries_at = names_at + pages(names.size());
  const std::uint64_t sections_at = entries_at + pages(entries.size());
  std::vector<Elf64_Shdr> sections = {
      section(0, SHT_NULL, 0, 0, 0), section(0, SHT_PROGBITS, kTextAddress, kTextOffset, 0x1000),
      section(0, SHT_STRTAB, 0, names_at, names.size()), section(0, table, 0, entries_at, entries.size()),
      section(0, SHT_NOTE, 0, 0x200, note.size())};
  sections[3].sh_link = 2;
  sections[3].sh_entsize = sizeof(Elf64_Sym);
  std::string file;
  put(file, file_header(sections_at, sections.size()));
  put(file, segment(PT_LOAD, PF_R | PF_X, kTextOffset, kTextAddress, 0x1000));
  file.resize(0x200);
  file += note;
  file.resize(kTextOffset);
  file.resize(names_at, '\x90');
  file += names;
  file.resize(entries_at);
  file += entries;
  file.resize(sections_at);
  for (const Elf64_Shdr& part : sections) put(file, part);
  return file;
}

Result<SymbolTable> read_table(const std::vector<Named>& symbols, std::uint32_t table = SHT_SYMTAB) {
  return SymbolTable::read(memory_file(elf_with_symbols(symbols, table)).get(), "made by hand");
}

TEST(SymbolTable, AFunctionIsWhatCoversTheAddress) {
  const auto table = read_table({{"first", 0x401010, 0x10}, {"second", 0x401040, 0x20}});
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->find(0x40100f), std::nullopt);
  EXPECT_EQ(table->find(0x401010), "first");
  EXPECT_EQ(table->find(0x40101f), "first");
  EXPECT_EQ(table->find(0x401020), std::nullopt);  // between the two: of neither
  EXPECT_EQ(table->find(0x40105f), "second");
  EXPECT_EQ(table->find(0x401060), std::nullopt);
  EXPECT_EQ(table->find(~0ULL), std::nullopt);
}

TEST(SymbolTable, OfSeveralNamesThePlainOne) {
  const auto table =
      read_table({{"___lock", 0x401010, 0x10}, {"lock@@LIB_2.2.5", 0x401010, 0x10}, {"__lock_alias", 0x401010, 0x10}});
  ASSERT_TRUE(table);
  EXPECT_EQ(table->find(0x401018), "lock");
  EXPECT_EQ(table->size(), 1U);
}

TEST(SymbolTable, ASmallFunctionInsideALargeOne) {
  const auto table = read_table({{"large", 0x401000, 0x100}, {"small", 0x401040, 0x10}});
  ASSERT_TRUE(table);
  EXPECT_EQ(table->find(0x401048), "small");
  EXPECT_EQ(table->find(0x401080), "large");
}

TEST(SymbolTable, OnlyFunctionsThatAreHere) {
  const auto table = read_table({{"variable", 0x401010, 0x10, STT_OBJECT},
                                 {"elsewhere", 0x401020, 0x10, STT_FUNC, SHN_UNDEF},
                                 {"sizeless", 0x401030, 0},
                                 {"endless", ~0ULL - 4, 0x10},
                                 {"", 0x401050, 0x10}});
  ASSERT_TRUE(table);
  EXPECT_EQ(table->size(), 0U);
}

TEST(SymbolTable, DynamicSymbolsOfAStrippedFile) {
  const auto table = read_table({{"exported", 0x401010, 0x10}}, SHT_DYNSYM);
  ASSERT_TRUE(table);
  EXPECT_FALSE(table->has_symtab());
  EXPECT_EQ(table->find(0x401010), "exported");
}

TEST(SymbolTable, OffsetsBecomeAddresses) {
  const auto table = read_table({});
  ASSERT_TRUE(table);
  EXPECT_EQ(table->build_id(), "deadbeef");
  EXPECT_EQ(table->address_of(kTextOffset + 0x123), kTextAddress + 0x123);
  EXPECT_EQ(table->address_of(0), std::nullopt);
  EXPECT_EQ(table->address_of(kTextOffset + 0x1000), std::nullopt);
}

TEST(SymbolTable, WhateverIsInTheFileItReadsOrRefuses) {
  const std::string file = elf_with_symbols({{"first", 0x401010, 0x10}, {"second", 0x401040, 0x20}});
  EXPECT_FALSE(SymbolTable::read(memory_file("no ELF file").get(), "text"));
  const Fd fd = memory_file(file);
  for (std::size_t size = file.size(); size > 0; size -= std::min<std::size_t>(size, 13)) {
    ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    static_cast<void>(SymbolTable::read(fd.get(), "cut"));
  }
  // Every byte of the headers and the symbols, set to what hurts.
  for (const unsigned char value : {0x00, 0x7f, 0x80, 0xff}) {
    for (std::size_t at = 0; at < file.size(); at += at == 0x100 ? 0x2f00 : 1) {
      std::string mutant = file;
      mutant[at] = static_cast<char>(value);
      const auto table = SymbolTable::read(memory_file(mutant).get(), "mutant");
      if (table) static_cast<void>(table->find(0x401018));
    }
  }
}

TEST(SymbolTable, WhatIsKeptCountsTooForHowMuchAFileMayTake) {
  constexpr std::size_t kMost = 640U << 10, kFunctions = 20'000;
  std::vector<Named> many;
  many.reserve(kFunctions);
  for (std::size_t i = 0; i < kFunctions; ++i) many.push_back({"f", 0x401000 + i, 1});
  const auto [names, entries] = symbol_table(many);
  const auto table = SymbolTable::read(memory_file(elf_with_symbols(many)).get(), "many", kMost);
  ASSERT_TRUE(table);
  EXPECT_GT(table->size(), 0U);
  EXPECT_LE(names.size() + entries.size() + table->bytes(), kMost + 0x1000);
}

TEST(ProcessMaps, ExecutableOnes) {
  const auto maps = parse_maps(
      "7f0000002000-7f0000003000 r-xp 00001000 08:01 77   /usr/lib/libx y.so (deleted)\n"
      "00400000-00401000 r-xp 00000000 fe:00 12 /usr/bin/engine\n"
      "00601000-00602000 rw-p 00001000 fe:00 12 /usr/bin/engine\n"
      "7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 [vdso]\n"
      "7f1000000000-7f1000001000 rwxp 00000000 00:00 0\n"
      "nonsense\n"
      "1-2 r-xp zz 00:00 0 /bad\n");
  ASSERT_EQ(maps.size(), 4U);
  EXPECT_EQ(maps[0].path, "/usr/bin/engine");
  EXPECT_EQ(maps[0].begin, 0x400000U);
  EXPECT_EQ(maps[1].path, "/usr/lib/libx y.so");
  EXPECT_EQ(maps[1].offset, 0x1000U);
  EXPECT_EQ(maps[1].inode, 77U);
  EXPECT_EQ(maps[1].device, "08:01");
  EXPECT_EQ(maps[2].path, "");
  EXPECT_EQ(maps[3].path, "[vdso]");
}

class InDirectory : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-symbols-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string write(const std::string& name, const std::string& content) const {
    const std::filesystem::path path = directory_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  std::filesystem::path directory_;
};

using KernelSymbolsTest = InDirectory;

TEST_F(KernelSymbolsTest, TextSymbolsOnly) {
  const auto symbols = KernelSymbols::read(write("kallsyms",
                                                 "ffffffff81000200 T second\n"
                                                 "ffffffff81000100 t first\n"
                                                 "ffffffff81000180 d data\n"
                                                 "ffffffffc0000000 t in_module\t[module]\n"));
  EXPECT_EQ(symbols.find(0xffffffff810000ff), "");
  EXPECT_EQ(symbols.find(0xffffffff810001ff), "first");
  EXPECT_EQ(symbols.find(0xffffffff81000200), "second");
  EXPECT_EQ(symbols.find(0xffffffffc0000010), "in_module");
  EXPECT_EQ(symbols.find(0xffffffffd0000000), "");  // too far behind to be a part of it
}

TEST_F(KernelSymbolsTest, NoneWhereTheKernelHidesThem) {
  EXPECT_TRUE(KernelSymbols::read(write("kallsyms", "0000000000000000 T secret\n")).empty());
  EXPECT_TRUE(KernelSymbols::read(directory_ / "absent").empty());
  Symbolizer symbolizer({.procfs = directory_});
  EXPECT_EQ(symbolizer.kernel(0xffffffff81000200), "[kernel]");
}

/// A file of this directory, mapped to be run.
class Mapped {
 public:
  explicit Mapped(const std::string& path) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    address_ = mmap(nullptr, kSize, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd.get(), kTextOffset);
  }
  ~Mapped() { munmap(address_, kSize); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  [[nodiscard]] bool valid() const { return address_ != MAP_FAILED; }
  /// Where the address as linked is now.
  [[nodiscard]] std::uint64_t at(std::uint64_t linked) const {
    return reinterpret_cast<std::uint64_t>(address_) + linked - kTextAddress;
  }

 private:
  static constexpr std::size_t kSize = 0x1000;
  void* address_ = MAP_FAILED;
};

class SymbolizerTest : public InDirectory {
 protected:
  static std::string name(Symbolizer& symbolizer, std::uint64_t address, bool is_return = false) {
    const auto code = symbolizer.user(getpid(), address, is_return);
    return code ? code->name : "none";
  }
};

TEST_F(SymbolizerTest, OfThisProgram) {
  Symbolizer symbolizer;
  const std::uint64_t address = caller_with_a_name();
  EXPECT_EQ(name(symbolizer, address, true), "outrider::caller_with_a_name()");
  EXPECT_EQ(name(symbolizer, reinterpret_cast<std::uint64_t>(&caller_with_a_name)), "outrider::caller_with_a_name()");
}

TEST_F(SymbolizerTest, OfALibrary) {
  Symbolizer symbolizer;
  EXPECT_EQ(name(symbolizer, reinterpret_cast<std::uint64_t>(&std::qsort)), "qsort");
}

TEST_F(SymbolizerTest, WhatIsNoCodeHasNoName) {
  Symbolizer symbolizer;
  const std::vector<char> heap(16);
  EXPECT_EQ(name(symbolizer, reinterpret_cast<std::uint64_t>(heap.data())), "none");
  EXPECT_EQ(name(symbolizer, 0), "none");
  EXPECT_EQ(name(symbolizer, ~0ULL), "none");
}

TEST_F(SymbolizerTest, BehindNoCallNothingReturns) {
  Symbolizer symbolizer;
  const auto begin = reinterpret_cast<std::uint64_t>(&caller_with_a_name);
  EXPECT_EQ(name(symbolizer, begin, true), "none");
  EXPECT_EQ(name(symbolizer, begin + 1, true), "none");
}

TEST_F(SymbolizerTest, AnAddressWithoutASymbolIsShownAsLinked) {
  const Mapped mapped(write("engine", elf_with_symbols({{"first", 0x401010, 0x10}})));
  ASSERT_TRUE(mapped.valid());
  Symbolizer symbolizer;
  EXPECT_EQ(name(symbolizer, mapped.at(0x401010)), "first");
  EXPECT_EQ(name(symbolizer, mapped.at(0x401020)), "[engine+0x401020]");
  EXPECT_EQ(name(symbolizer, mapped.at(0x401020), true), "none");  // nops before it
}

TEST_F(SymbolizerTest, AFileThatIsGoneIsReadThroughTheProcess) {
  if (geteuid() != 0) GTEST_SKIP() << "opening /proc/PID/map_files takes root";
  const std::string path = write("engine", elf_with_symbols({{"first", 0x401010, 0x10}}));
  const Mapped mapped(path);
  ASSERT_TRUE(mapped.valid());
  std::filesystem::remove(path);
  // Another file under its name is another file.
  static_cast<void>(write("engine", elf_with_symbols({{"wrong", 0x401010, 0x10}})));
  Symbolizer symbolizer;
  EXPECT_EQ(name(symbolizer, mapped.at(0x401010)), "first");
}

TEST_F(SymbolizerTest, AFileThatIsWrittenAnewInItsPlaceIsReadAnew) {
  Symbolizer symbolizer;
  for (const char* function : {"first", "quite_another"}) {
    const Mapped mapped(write("engine", elf_with_symbols({{function, 0x401010, 0x10}})));
    ASSERT_TRUE(mapped.valid());
    symbolizer.begin_round();
    EXPECT_EQ(name(symbolizer, mapped.at(0x401010)), function);
  }
}

TEST_F(SymbolizerTest, SeparateDebugFileOfTheSameBuild) {
  const Mapped mapped(write("engine", elf_with_symbols({{"exported", 0x401010, 0x10}}, SHT_DYNSYM)));
  ASSERT_TRUE(mapped.valid());
  const std::string debug = elf_with_symbols({{"exported", 0x401010, 0x10}, {"inner", 0x401030, 0x10}});
  static_cast<void>(write("debug/de/adbeef.debug", debug));
  Symbolizer with({.debug_files = (directory_ / "debug").string()});
  EXPECT_EQ(name(with, mapped.at(0x401030)), "inner");
  const std::string other = elf_with_symbols({{"inner", 0x401030, 0x10}}, SHT_SYMTAB, "\x01\x02\x03\x04");
  static_cast<void>(write("other/de/adbeef.debug", other));
  Symbolizer wrong({.debug_files = (directory_ / "other").string()});
  EXPECT_EQ(name(wrong, mapped.at(0x401030)), "[engine+0x401030]");
  EXPECT_EQ(name(wrong, mapped.at(0x401010)), "exported");
}

TEST_F(SymbolizerTest, TablesAreForgottenWhenTheyAreTooMuch) {
  Symbolizer symbolizer({.most_bytes = 1});
  const auto address = reinterpret_cast<std::uint64_t>(&std::qsort);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(name(symbolizer, address), "qsort");
    symbolizer.begin_round();
  }
}

TEST_F(SymbolizerTest, AProcessThatIsGone) {
  Symbolizer symbolizer({.procfs = directory_});
  EXPECT_EQ(name(symbolizer, 0x401010), "none");
  EXPECT_EQ(symbolizer.processes_missed(), 1U);
  // One that was looked at while it lived keeps its names.
  static_cast<void>(write(std::to_string(getpid()) + "/maps", "00401000-00402000 r-xp 00001000 00:00 0 \n"));
  symbolizer.begin_round();
  EXPECT_EQ(name(symbolizer, 0x401010), "[anonymous+0x1010]");
  std::filesystem::remove_all(directory_ / std::to_string(getpid()));
  symbolizer.begin_round();
  EXPECT_EQ(name(symbolizer, 0x401010), "[anonymous+0x1010]");
}

TEST(Demangle, OnlyMangledNames) {
  EXPECT_EQ(demangle("_ZN8outrider18caller_with_a_nameEv"), "outrider::caller_with_a_name()");
  EXPECT_EQ(demangle("qsort"), "qsort");
  EXPECT_EQ(demangle("_Z<script>"), "_Z<script>");
  EXPECT_EQ(demangle(std::string(5000, 'x')).size(), 512U);
}

TEST(Outermost, WhatNothingButTheSystemCalls) {
  EXPECT_TRUE(is_outermost("main", "engine"));
  EXPECT_TRUE(is_outermost("start_thread", "libc.so.6"));
  EXPECT_FALSE(is_outermost("start_thread", "engine"));
  EXPECT_FALSE(is_outermost("clone", "engine"));
  EXPECT_TRUE(is_outermost(
      "std::thread::_State_impl<std::thread::_Invoker<std::tuple<work()::{lambda()#1}> > >::_M_run()", "engine"));
  EXPECT_FALSE(is_outermost("domain", "engine"));
  EXPECT_FALSE(is_outermost("main_loop", "engine"));
}

}  // namespace
}  // namespace outrider
