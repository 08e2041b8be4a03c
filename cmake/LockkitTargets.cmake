# lockkit_library(name HEADERS … SOURCES … DEPENDS …): one module, shared or static, symbols hidden. Modules must be made
# in the order of their dependencies.
# lockkit_program(name SOURCES … LINK …): a program of ours, with our warnings.

# Warnings live on a target that is never exported.
add_library(lockkit_warnings INTERFACE)
if(LOCKKIT_DEVELOPER_WARNINGS)
  target_compile_options(lockkit_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize") # GCC 12 then sees uninitialized members in <regex> and <functional>
    target_compile_options(lockkit_warnings INTERFACE -Wno-maybe-uninitialized)
  endif()
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
    EXPORT_NAME ${name} CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(BUILD_SHARED_LIBS)
    # Templates of other libraries that we instantiate carry their own visibility; the script keeps them in.
    set(script ${PROJECT_SOURCE_DIR}/cmake/lockkit.map)
    target_link_options(${target} PRIVATE LINKER:--version-script=${script})
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${script} INSTALL_RPATH $ORIGIN)
  else()
    target_compile_definitions(${target} PUBLIC LOCKKIT_STATIC)
  endif()
  set_property(GLOBAL APPEND PROPERTY LOCKKIT_MODULES ${name})
endfunction()

# lockkit::lockkit: every module, and the header that includes every header.
function(lockkit_all_modules)
  get_property(modules GLOBAL PROPERTY LOCKKIT_MODULES)
  add_library(lockkit_lockkit INTERFACE)
  add_library(lockkit::lockkit ALIAS lockkit_lockkit)
  set_target_properties(lockkit_lockkit PROPERTIES EXPORT_NAME lockkit)
  target_sources(lockkit_lockkit INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
                                           FILES ${PROJECT_SOURCE_DIR}/include/lockkit/lockkit.hpp)
  list(TRANSFORM modules PREPEND lockkit::)
  target_link_libraries(lockkit_lockkit INTERFACE ${modules})
endfunction()

function(lockkit_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_link_libraries(${name} PRIVATE ${arg_LINK} lockkit_warnings)
endfunction()
