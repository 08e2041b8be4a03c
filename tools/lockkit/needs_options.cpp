#include "needs_options.hpp"

#include <nlohmann/json.hpp>

#include "bytes.hpp"

namespace lockkit_command {

void add_needs(CLI::App& app, lockkit::claim_request& request) {
  constexpr std::uint32_t most = 1'000'000;
  app.add_option("-n,--count", request.count, "So many different resources, one unit of each; all or nothing")
      ->check(CLI::Range(std::uint32_t{1}, most).description(""))
      ->type_name("N");
  add_bytes(app, "--min-memory", request.memory, "Each has at least so much: 80GB, 64GiB, or a number of bytes");
  app.add_option("--group", request.group, "Only from this group")->type_name("NAME");
  app.add_flag("--one-group", request.one_group, "All from one group, whichever has enough");
  add_json_object(app, "--match", request.match, "Each member of this object must be equal in the attributes");
}

CLI::Option* add_json_object(CLI::App& app, const std::string& names, std::string& value, const std::string& help) {
  const auto read = [&value, names](const std::string& text) {
    if (!nlohmann::json::parse(text, nullptr, false).is_object()) {
      throw CLI::ValidationError(names, "'" + text + R"(' is no JSON object such as {"arch": "sm_90"})");
    }
    value = text;
  };
  return app.add_option_function<std::string>(names, read, help)->type_name("JSON");
}

}  // namespace lockkit_command
