# Flags that every target of the project shares, and one function per kind of target.

add_library(outrider_flags INTERFACE)
target_compile_options(outrider_flags INTERFACE -Wall -Wextra -Wshadow
                                                $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast -Wnon-virtual-dtor>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(outrider_flags INTERFACE -Wno-c99-extensions)
endif()
if(OUTRIDER_WERROR)
  target_compile_options(outrider_flags INTERFACE -Werror)
endif()
if(OUTRIDER_SANITIZE)
  target_compile_options(outrider_flags INTERFACE -fsanitize=${OUTRIDER_SANITIZE} -fno-omit-frame-pointer
                                                  -fno-sanitize-recover=all)
  target_link_options(outrider_flags INTERFACE -fsanitize=${OUTRIDER_SANITIZE})
endif()

# outrider_module(NAME SOURCES ... [LINK ...]): the static library outrider_NAME of userspace/NAME. Sources are
# listed, headers are included from the project's root ("userspace/model/snapshot.h"). LINK names only the modules
# that the design lets this one see.
function(outrider_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  if(ARG_SOURCES)
    add_library(outrider_${name} STATIC ${ARG_SOURCES})
    target_include_directories(outrider_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(outrider_${name} PUBLIC ${ARG_LINK} PRIVATE outrider_flags ${ARG_PRIVATE_LINK})
  else()
    add_library(outrider_${name} INTERFACE)
    target_include_directories(outrider_${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(outrider_${name} INTERFACE ${ARG_LINK})
  endif()
endfunction()
