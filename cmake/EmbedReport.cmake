# Embeds lib/report/html: onnxquant_embed_report(OUT) writes a C++ file that defines the parts of the
# HTML report declared in lib/report/html_parts.h, when one of them has changed.
function(onnxquant_embed_report output)
  set(folder "${PROJECT_SOURCE_DIR}/lib/report/html")
  set(HTML_FILES report.html)
  set(CSS_FILES report.css)
  set(JS_FILES data.js charts.js plan_charts.js verify_charts.js check_section.js tune_section.js table.js report.js)
  set(definitions "")
  foreach(kind IN ITEMS HTML CSS JS)
    set(pieces "")
    foreach(name IN LISTS ${kind}_FILES)
      file(READ "${folder}/${name}" text)
      if(text MATCHES "\\)REPORT\"")
        message(FATAL_ERROR "${folder}/${name} holds the delimiter of the embedded text")
      endif()
      string(APPEND pieces "\n    R\"REPORT(${text})REPORT\"")
      set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
                   "${folder}/${name}")
    endforeach()
    string(APPEND definitions "const char kReport${kind}[] =${pieces};\n\n")
  endforeach()
  file(CONFIGURE OUTPUT "${output}" @ONLY CONTENT
"// Made from lib/report/html by cmake/EmbedReport.cmake.
#include \"lib/report/html_parts.h\"

namespace onnxquant {

${definitions}}  // namespace onnxquant
")
endfunction()
