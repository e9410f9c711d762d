# Third-party code comes as packages; scripts/setup installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(prometheus-cpp REQUIRED)
# Beast and Asio are headers only; 1.74 is the oldest that the HTTP side was tested with.
find_package(Boost 1.74 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
pkg_check_modules(LIBCAP REQUIRED IMPORTED_TARGET libcap)
pkg_check_modules(LIBELF REQUIRED IMPORTED_TARGET libelf)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
# Headers only, no pkg-config file. Of libdw it is the numbers in dwarf.h: no byte of a watched file goes through it.
find_path(DWARF_INCLUDE_DIR dwarf.h REQUIRED)
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_writer.hpp REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.3)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(LIBPQ REQUIRED libpq)
pkg_check_modules(NCURSESW REQUIRED IMPORTED_TARGET ncursesw)
# libcsv has no pkg-config file.
find_path(LIBCSV_INCLUDE_DIR csv.h REQUIRED)
find_library(LIBCSV_LIBRARY csv REQUIRED)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)

# usdt.bpf.h and the libbpf that is linked must be of one version: with another one, probes attach and fire, and their
# arguments are wrong. Debian 12's own libbpf1 is too old, so a shared libbpf would tie the package to backports. What
# libbpf needs (libelf, zlib) stays shared.
option(OUTRIDER_STATIC_LIBBPF "Link libbpf itself into the agent" ON)
if(OUTRIDER_STATIC_LIBBPF)
  find_library(LIBBPF_ARCHIVE libbpf.a HINTS ${LIBBPF_LIBDIR} REQUIRED)
  set_target_properties(PkgConfig::LIBBPF PROPERTIES INTERFACE_LINK_LIBRARIES
                                                     "${LIBBPF_ARCHIVE};PkgConfig::LIBELF;PkgConfig::ZLIB")
endif()
