# outrider_bpf(NAME SOURCES a.bpf.c ...): compiles each source with clang, links them with bpftool and generates
# <binary dir>/NAME.skel.h, behind the interface library outrider_bpf, which is one for all calls. Every header that clang read is a dependency.
find_program(BPF_CLANG NAMES clang clang-19 clang-18 clang-16 clang-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(bpf_arch x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(bpf_arch arm64)
else()
  message(FATAL_ERROR "Outrider knows x86-64 and arm64, not ${CMAKE_SYSTEM_PROCESSOR}")
endif()

function(outrider_bpf name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  set(objects)
  foreach(source ${ARG_SOURCES})
    get_filename_component(stem ${source} NAME_WE)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${stem}.bpf.o)
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter
              -Wno-missing-declarations -Wno-unknown-attributes -D__TARGET_ARCH_${bpf_arch} -I${LIBBPF_INCLUDEDIR}
              -idirafter ${CMAKE_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -MD -MF ${object}.d
              -fdebug-prefix-map=${PROJECT_SOURCE_DIR}=. -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
      DEPFILE ${object}.d
      COMMENT "BPF ${source}"
      VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(linked ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${BPFTOOL} gen object ${linked} ${objects}
    COMMAND ${BPFTOOL} gen skeleton ${linked} name ${name}_bpf > ${skeleton}
    DEPENDS ${objects}
    COMMENT "BPF skeleton ${name}.skel.h"
    VERBATIM)
  add_custom_target(${name}_skeleton DEPENDS ${skeleton})
  if(NOT TARGET outrider_bpf)
    add_library(outrider_bpf INTERFACE)
  endif()
  target_include_directories(outrider_bpf SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  add_dependencies(outrider_bpf ${name}_skeleton)
endfunction()
