#pragma once
/// The file of a fence_gate: the highest token that was ever admitted, twice.
///
///  1. Two slots, each with a checksum, in different blocks of the file. Behind the first block, which is the mutex's.
///  2. A token is written into one slot, synced, then into the other, synced; only then is it admitted. So at any instant
///     one slot is whole, and each slot alone says at least what was last admitted. One slot that is torn by a power cut,
///     or damaged, loses nothing; the higher of the whole ones counts. None whole: an error, never zero.
///  3. First the slot that is not whole, or the lower one: the better one is untouched until the other is on the disk.
///  4. A token that was written and then not admitted (killed in between) counts as seen: that refuses older ones a
///     moment early, and nobody is let in who should not be. Only not by who reads without the mutex: what one slot alone
///     says may not be on the disk, and be put back by rule 5. The lower of two whole ones is.
///  5. A failed sync leaves a slot that readers would find in memory, and a power cut would not find on the disk. The old
///     content is put back, so that whoever shows the token next writes and syncs anew.
///  6. What another process wrote may be in memory only: it was killed before its sync. So who finds slots that it did not
///     write and sync itself syncs them before it believes them, be it that both say the token already (two who were
///     killed, one after the other), or that one is about to be written over, and the other must be whole on the disk.
///  7. The file appears complete and synced, or not at all, so an empty or short one was not made so by us.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <lockkit/owner.hpp>

#include "platform/private_api.hpp"

namespace lockkit::detail {

inline constexpr std::array<std::uint64_t, 2> gate_slot_offsets = {4096, 8192};
inline constexpr std::size_t gate_slot_size = 64;

/// Of a whole slot.
[[nodiscard]] LOCKKIT_PRIVATE_API std::string format_gate_slot(fencing_token token);
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<fencing_token> parse_gate_slot(std::string_view bytes);

/// What a new gate's file holds: no token yet.
[[nodiscard]] std::string new_gate_file();

/// The token of each slot, the lower one first; both the same if only one is whole. Rule 2: errc::gate_damaged
struct gate_tokens {
  fencing_token sure;  ///< rule 4
  fencing_token seen;
};
[[nodiscard]] gate_tokens read_gate(int fd, std::error_code& ec);
/// By who has the gate's mutex: once this returns without a code, both slots say `token`, durably. `settled`: what the
/// caller has brought about by this before (rule 6).
void raise_gate(int fd, fencing_token token, std::optional<fencing_token> settled, std::error_code& ec);

}  // namespace lockkit::detail
