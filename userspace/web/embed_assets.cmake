# cmake -DFOLDER=dist -DOUTPUT=x.cpp -P embed_assets.cmake
# Writes the compressed files of a folder (NAME.gz) into a C++ source; a folder without any gives an empty list.
file(GLOB files ${FOLDER}/*.gz)
set(bytes "")
set(entries "")
set(index 0)
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE "\\.gz$" "" name ${name})
  set(path "/assets/${name}")
  set(immutable true)
  if(name STREQUAL "index.html")
    set(path "/")
    set(immutable false)
    set(type "text/html; charset=utf-8")
  elseif(name MATCHES "\\.js$")
    set(type "text/javascript; charset=utf-8")
  elseif(name MATCHES "\\.css$")
    set(type "text/css; charset=utf-8")
  else()
    message(FATAL_ERROR "no content type is known for ${name}")
  endif()
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND bytes "constexpr unsigned char kFile${index}[] = {${hex}};\n")
  string(APPEND entries "    WebAsset{\"${path}\", \"${type}\", text(kFile${index}), ${immutable}},\n")
  math(EXPR index "${index} + 1")
endforeach()
if(index EQUAL 0)
  set(body "std::span<const WebAsset> web_assets() { return {}; }\n")
else()
  set(body "namespace {

${bytes}
template <std::size_t kSize>
std::string_view text(const unsigned char (&file)[kSize]) {
  return {reinterpret_cast<const char*>(file), kSize};
}

}  // namespace

std::span<const WebAsset> web_assets() {
  static const std::array<WebAsset, ${index}> kAssets = {
${entries}  };
  return kAssets;
}
")
endif()
file(WRITE ${OUTPUT} "// Generated from web/.
#include <array>
#include <cstddef>

#include \"userspace/web/assets.h\"

namespace outrider {

${body}
}  // namespace outrider
")
