#pragma once
/// Taking over the mode, the owner, the ACL and the extended attributes of the file that is going to be replaced.
///
///  1. Owner first, rights last: at no time may anybody read it who could not read the old file.
///  2. A group that can't be kept would hand the old group's rights to another one: it gets those of everybody, and the
///     set-ID bits are dropped. So does a group whose ACL can't be kept: its bits in the mode are the ACL's mask.
///  3. An ACL that the directory's default has put on the new file is none of the old file's: taken away.
///  4. Attributes that vouch for the content (capabilities, IMA, EVM) are not this content's.
///  5. What stands there may be replaced meanwhile; then it was the one before. Never the mode of one and the ACL of
///     another: together they can give rights that neither gave.

#include <system_error>

#include "staging.hpp"

namespace lockkit::detail {

/// From what stands at `name`, if it is a regular file. `report` says what could not be kept; under preserve_or_fail that is
/// an error.
LOCKKIT_PRIVATE_API void take_over_metadata(int directory, const char* name, metadata_policy policy, staging& file,
                                            publish_report& report, std::error_code& ec);

/// All of it, from one file of ours to another; what can't be had is an error.
void copy_metadata(int from, staging& to, std::error_code& ec);

}  // namespace lockkit::detail
