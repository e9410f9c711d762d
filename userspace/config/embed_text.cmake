# cmake -DINPUT=a.toml -DFUNCTION=name -DHEADER=path.h -DOUTPUT=x.cpp -P embed_text.cmake
# Writes a text file into a C++ source as the function NAME that returns it.
file(READ ${INPUT} text)
set(source "// Generated from a file of the source tree.
#include \"${HEADER}\"

namespace outrider {

std::string_view ${FUNCTION}() {
  return R\"outrider_toml(${text})outrider_toml\";
}

}  // namespace outrider
")
file(WRITE ${OUTPUT} "${source}")
