# logitfield_embed(TARGET SYMBOL FILE...): the files, one after the other, as `extern const std::string_view SYMBOL` in namespace
# logitfield::embedded. Run by itself (cmake -P) it writes the source file.
if(CMAKE_SCRIPT_MODE_FILE)
  set(content "")
  foreach(file ${FILES})
    file(READ ${file} hex HEX)
    string(APPEND content "${hex}0a")
  endforeach()
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${content}")
  file(WRITE ${OUTPUT} "#include <string_view>\n\nnamespace logitfield::embedded {\n\
static const unsigned char ${SYMBOL}_bytes[] = {${bytes}};\nextern const std::string_view ${SYMBOL};\n\
const std::string_view ${SYMBOL}(reinterpret_cast<const char*>(${SYMBOL}_bytes), sizeof ${SYMBOL}_bytes);\n}\n")
  return()
endif()

set(LOGITFIELD_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(logitfield_embed target symbol)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}.cpp)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DSYMBOL=${symbol} "-DFILES=${ARGN}" -DOUTPUT=${output} -P ${LOGITFIELD_EMBED_SCRIPT}
    DEPENDS ${ARGN} ${LOGITFIELD_EMBED_SCRIPT} VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
