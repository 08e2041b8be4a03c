#pragma once
/// A mirror that is a further name of the content.

#include <system_error>

#include <lockkit/mirror_options.hpp>

#include "destination.hpp"

namespace lockkit::detail {

/// `file`: the pinned content, or what has taken its name since and is known to be as good. Codes: of what stands in the
/// way, among them EEXIST for if_absent; errc::integrity_mismatch; errc::published_not_durable: the mirror stands.
void make_hard_link(const mirror_source& source, int file, const destination& target, publish_mode mode,
                    durability level, std::error_code& ec);

}  // namespace lockkit::detail
