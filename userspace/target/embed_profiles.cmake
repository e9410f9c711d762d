# cmake -DINPUTS=a.toml;b.toml -DOUTPUT=x.cpp -P embed_profiles.cmake
# Writes the profile files into a C++ source as raw string literals.
set(entries "")
foreach(input ${INPUTS})
  get_filename_component(name ${input} NAME)
  file(READ ${input} text)
  string(APPEND entries "      {\"${name}\", R\"outrider_toml(${text})outrider_toml\"},\n")
endforeach()
set(source "// Generated from usdt/profiles/*.toml.
#include \"userspace/target/embedded_profiles.h\"

namespace outrider {

const std::vector<EmbeddedProfile>& embedded_profiles() {
  static const std::vector<EmbeddedProfile> kProfiles = {
${entries}  };
  return kProfiles;
}

}  // namespace outrider
")
file(WRITE ${OUTPUT} "${source}")
