/// What was claimed, as scripts are told it.
#include "claim_command.hpp"
#include "failure.hpp"
#include "message.hpp"

namespace lockkit_command {

std::string joined_names(const std::vector<lockkit::claimed_item>& items) {
  std::string text;
  for (const lockkit::claimed_item& each : items) {
    if (each.name.find(',') != std::string::npos) {
      throw failure(bad_data, fmt::format("cannot tell a script of the resource {}: a comma in a name separates two of "
                                          "them; add it under another name",
                                          in_quotes(each.name)));
    }
    text += text.empty() ? each.name : "," + each.name;
  }
  return text;
}

std::string joined_tokens(const std::vector<lockkit::claimed_item>& items) {
  std::string text;
  for (const lockkit::claimed_item& each : items) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", each.token.value);
  }
  return text;
}

json items_json(const std::vector<lockkit::claimed_item>& items) {
  json rows = json::array();
  for (const lockkit::claimed_item& each : items) {
    json row;
    put_text(row, "name", each.name);
    put_text(row, "group", each.group);
    row["token"] = std::to_string(each.token.value);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace lockkit_command
