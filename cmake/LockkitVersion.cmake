# The version is the first heading "## X.Y.Z" of CHANGELOG.md and stands nowhere else.
set(changelog ${CMAKE_CURRENT_LIST_DIR}/../CHANGELOG.md)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${changelog})
file(STRINGS ${changelog} headings REGEX "^## [0-9]+\\.[0-9]+\\.[0-9]+")
list(GET headings 0 newest)
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" LOCKKIT_VERSION "${newest}")
if(NOT LOCKKIT_VERSION)
  message(FATAL_ERROR "CHANGELOG.md has no heading '## X.Y.Z' to read the version from")
endif()
