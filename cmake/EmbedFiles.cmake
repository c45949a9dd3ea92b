# Compiles files into a program.
#
#   embed_files(<output.cpp> HEADER <header> TYPE <type> FUNCTION <function> FILES <url path>=<file> …)
#
# writes, at build time, a source that defines `std::span<const TYPE> FUNCTION()`; each entry is {path, bytes}, two
# string views. The same file, run as a script, does the writing.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(STRINGS "${MANIFEST}" entries)
  list(POP_FRONT entries header type function)

  set(arrays "")
  set(table "")
  set(number 0)
  foreach(entry IN LISTS entries)
    string(FIND "${entry}" "=" equals)
    string(SUBSTRING "${entry}" 0 ${equals} path)
    math(EXPR equals "${equals} + 1")
    string(SUBSTRING "${entry}" ${equals} -1 file)

    file(READ "${file}" bytes HEX)
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
    string(APPEND arrays "constexpr char file_${number}[] = {${bytes}'\\0'};\n")
    string(APPEND table "    {\"${path}\", {file_${number}, sizeof file_${number} - 1}},\n")
    math(EXPR number "${number} + 1")
  endforeach()

  file(WRITE "${OUTPUT}" "#include \"${header}\"\n\nnamespace {\n\n${arrays}\n"
       "constexpr ${type} files[] = {\n${table}};\n\n}  // namespace\n\n"
       "std::span<const ${type}> ${function}() { return files; }\n")
  return()
endif()

set(EMBED_FILES_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(embed_files output)
  cmake_parse_arguments(PARSE_ARGV 1 embed "" "HEADER;TYPE;FUNCTION" "FILES")
  set(manifest "${output}.manifest")
  list(JOIN embed_FILES "\n" entries)
  file(CONFIGURE OUTPUT "${manifest}" CONTENT "${embed_HEADER}\n${embed_TYPE}\n${embed_FUNCTION}\n${entries}\n" @ONLY)
  list(TRANSFORM embed_FILES REPLACE "^[^=]*=" "" OUTPUT_VARIABLE files)
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DMANIFEST=${manifest}" "-DOUTPUT=${output}" -P "${EMBED_FILES_SCRIPT}"
    DEPENDS "${manifest}" "${EMBED_FILES_SCRIPT}" ${files}
    COMMENT "Embedding files in ${output}" VERBATIM)
endfunction()
