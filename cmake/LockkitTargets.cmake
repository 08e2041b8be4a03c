# lockkit_library(name HEADERS … SOURCES … DEPENDS …): one module, shared or static, symbols hidden.
# lockkit_program(name SOURCES … LINK …): a program of ours, with our warnings.

# Warnings live on a target that is never exported.
add_library(lockkit_warnings INTERFACE)
if(LOCKKIT_DEVELOPER_WARNINGS)
  target_compile_options(lockkit_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
endif()

function(lockkit_library name)
  cmake_parse_arguments(arg "" "" "HEADERS;SOURCES;DEPENDS" ${ARGN})
  set(target lockkit_${name})
  add_library(${target} ${arg_SOURCES})
  add_library(lockkit::${name} ALIAS ${target})
  list(TRANSFORM arg_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/include/lockkit/)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
                                  ${PROJECT_BINARY_DIR}/include FILES ${arg_HEADERS})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} PRIVATE $<BUILD_INTERFACE:lockkit_warnings>)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name} CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(NOT BUILD_SHARED_LIBS)
    target_compile_definitions(${target} PUBLIC LOCKKIT_STATIC)
  endif()
endfunction()

function(lockkit_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_link_libraries(${name} PRIVATE ${arg_LINK} lockkit_warnings)
endfunction()
