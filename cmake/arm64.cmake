# A cross build for arm64 on x86-64, with Debian's cross compiler and the libraries in $OUTRIDER_SYSROOT, which
# tests/vm/sysroot.py makes. Generators (clang for BPF, bpftool, Node, Python) are this machine's own.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

if(NOT OUTRIDER_SYSROOT)
  set(OUTRIDER_SYSROOT "$ENV{OUTRIDER_SYSROOT}")
endif()
if(NOT IS_DIRECTORY "${OUTRIDER_SYSROOT}/usr/include")
  message(FATAL_ERROR "a cross build needs OUTRIDER_SYSROOT: the folder that tests/vm/sysroot.py prints")
endif()
set(OUTRIDER_SYSROOT "${OUTRIDER_SYSROOT}" CACHE PATH "Debian's files for arm64")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES OUTRIDER_SYSROOT)
set(CMAKE_SYSROOT "${OUTRIDER_SYSROOT}")
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# pkg-config adds the sysroot to every path that it prints.
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${OUTRIDER_SYSROOT}")
set(ENV{PKG_CONFIG_PATH} "")
set(ENV{PKG_CONFIG_LIBDIR} "${OUTRIDER_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${OUTRIDER_SYSROOT}/usr/share/pkgconfig")
