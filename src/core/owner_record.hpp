#pragma once
/// The record that lockkit writes into lock files: 256 bytes, two lines of printable ASCII.
///
///   "4711      \n"
///   "web1 lockkit/1 k=flock b=<32> ns=<> start=<> pf=<> fence=<20> t=<13> c=<> l=<> ...padding... w=abcd\n"
///
/// Rules, each with its reason.
///  1. The first line is the PID alone: `read p < FILE` in any shell gives it, and Python's filelock reads it.
///  2. The second line starts with the host but goes on: to filelock it reads as another host, so that it never judges,
///     breaks or renames our lock. Never a third line: filelock would compare it as a start token.
///  3. Always 256 bytes, written in one pwrite: a reader that races with a rewrite still sees two whole lines.
///  4. The word that waiters sleep on lies at byte 244, aligned, inside the second line: four letters a..p, which each
///     acquisition writes anew. Each wake-up adds one to it; after many, its bytes need not be letters any more.
///  5. Values hold graphic ASCII only; other bytes are written as %XX. Length is bounded by shortening command, label,
///     and host, never the identity.
///  6. `k=` says what the record stands for: `flock`, a lock file, which exists only while it is held or after a crash;
///     `mutex`, a file that stays. Only the former is ever taken away.
/// The parser accepts any bytes: what is not exactly such a record is none, and at most `pid\n` or `pid\nhost\n` is
/// read from other programs' files.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <lockkit/owner.hpp>

#include "platform/private_api.hpp"

namespace lockkit::detail {

inline constexpr std::size_t record_size = 256;
inline constexpr std::size_t word_offset = 244;
using record_bytes = std::array<char, record_size>;

enum class record_kind { lock_file, mutex };

[[nodiscard]] LOCKKIT_PRIVATE_API record_bytes format_record(const owner& who,
                                                             record_kind kind = record_kind::lock_file);

/// One owner's record, written again at each acquisition: only token, time and word change, in place.
class LOCKKIT_PRIVATE_API reusable_record {
 public:
  reusable_record() = default;
  reusable_record(const owner& who, record_kind kind);
  void stamp(fencing_token token, std::uint64_t wall_ms) noexcept;
  [[nodiscard]] const record_bytes& bytes() const noexcept { return bytes_; }

 private:
  record_bytes bytes_{};
  std::size_t fence_at_ = 0;
  std::size_t time_at_ = 0;
};

/// A whole lockkit record, of either kind.
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<owner> parse_record(std::string_view bytes);
/// What a whole record stands for.
[[nodiscard]] LOCKKIT_PRIVATE_API record_kind kind_of(std::string_view record) noexcept;
/// Nothing was ever written there: no bytes, or the zeros that a power cut can leave.
[[nodiscard]] LOCKKIT_PRIVATE_API bool is_blank(std::string_view bytes) noexcept;
/// Whether the bytes carry lockkit's mark, even in a record that is damaged otherwise.
[[nodiscard]] LOCKKIT_PRIVATE_API bool has_record_mark(std::string_view bytes) noexcept;
/// Another program's file: `pid` and perhaps `host`, each on its line. PIDs outside 1..2^31-1 are refused.
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<owner> parse_foreign(std::string_view bytes);
/// The word of rule 4; 0 when the bytes are too few.
[[nodiscard]] LOCKKIT_PRIVATE_API std::uint32_t record_word(std::string_view bytes) noexcept;
/// The fence of a record whose other fields may be damaged; 0 if it can't be read.
[[nodiscard]] LOCKKIT_PRIVATE_API std::uint64_t record_fence(std::string_view bytes) noexcept;

}  // namespace lockkit::detail
