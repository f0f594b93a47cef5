# The file for pkg-config, wherever CMAKE_INSTALL_LIBDIR is: lib, lib64, lib/x86_64-linux-gnu, or a path
# outside the prefix. Where it is inside, all places are relative to the file, so that an installed
# tree can be moved.
set(_onnxquant_pkg_config_folder "${CMAKE_CURRENT_LIST_DIR}")

# _onnxquant_installed_path(OUT FOLDER): FOLDER as seen from the prefix.
function(_onnxquant_installed_path out folder)
  if(IS_ABSOLUTE "${folder}")
    set(${out} "${folder}" PARENT_SCOPE)
  else()
    set(${out} "\${prefix}/${folder}" PARENT_SCOPE)
  endif()
endfunction()

function(onnxquant_write_pkg_config file)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  else()
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(PC_PREFIX "\${pcfiledir}/${up}")
  endif()
  _onnxquant_installed_path(PC_LIBDIR "${CMAKE_INSTALL_LIBDIR}")
  _onnxquant_installed_path(PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
  configure_file("${_onnxquant_pkg_config_folder}/onnxquant.pc.in" "${file}" @ONLY)
endfunction()
