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

# Headers take most of the time: several files of one target at a time are compiled in a third of it, but a change to one
# compiles its neighbours again. scripts/lint looks at every file by itself.
option(OUTRIDER_UNITY "Compile the modules that allow it several files at a time" ON)
function(outrider_unity target)
  if(OUTRIDER_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# outrider_module(NAME [UNITY] SOURCES ... [LINK ...]): the static library outrider_NAME of userspace/NAME. Sources are
# listed, headers are included from the project's root ("userspace/model/snapshot.h"). LINK names only the modules
# that the design lets this one see.
function(outrider_module name)
  cmake_parse_arguments(ARG "UNITY" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  if(ARG_SOURCES)
    add_library(outrider_${name} STATIC ${ARG_SOURCES})
    if(ARG_UNITY)
      outrider_unity(outrider_${name})
    endif()
    target_include_directories(outrider_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(outrider_${name} PUBLIC ${ARG_LINK} PRIVATE outrider_flags ${ARG_PRIVATE_LINK})
  else()
    add_library(outrider_${name} INTERFACE)
    target_include_directories(outrider_${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(outrider_${name} INTERFACE ${ARG_LINK})
  endif()
endfunction()
