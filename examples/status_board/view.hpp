#pragma once
/// What people see: a table on a terminal, and a page for a browser.

#include <map>
#include <string>
#include <vector>

#include "status_record.hpp"

namespace status_board {

/// One job, as its file says; a file that is no status has the state "unreadable".
struct row {
  std::string job;
  status_record record;
};
/// What needs a look first: failed, then what is under way, then what is over; the latest first in each.
[[nodiscard]] std::vector<row> rows_of(const std::map<std::string, std::string>& files);

struct view {
  std::string checkout;
  std::string lock;  ///< "free", or who holds it
  std::vector<row> rows;
  microtime now;
};

/// At most `width` columns.
[[nodiscard]] std::string table_of(const view& what, bool colours, std::size_t width);
/// Complete in itself: no script, nothing loaded from elsewhere, and a policy that forbids both.
[[nodiscard]] std::string page_of(const view& what, unsigned refresh_seconds);

/// "12 s ago", "3 min ago", "2 days ago"; empty for no time.
[[nodiscard]] std::string age_of(const std::string& time, microtime now);

}  // namespace status_board
