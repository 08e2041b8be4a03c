/// lockkit claim --db DB add POOL NAME
#include <algorithm>

#include "bytes.hpp"
#include "claim_command.hpp"
#include "exit_code.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "needs_options.hpp"

namespace lockkit_command {
namespace {

bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// Names stand in LOCKKIT_RESOURCES, in lines of lists and in JSON.
const char* fault_of(const std::string& name) noexcept {
  constexpr std::size_t longest = 255;
  if (name.empty()) return "it is empty";
  if (name.size() > longest) return "it has more than 255 bytes";
  if (name.find(',') != std::string::npos) return "it has a comma, which separates names";
  if (std::ranges::any_of(name, is_control)) return "it has a control character";
  return is_utf8(name) ? nullptr : "it is no UTF-8";
}

void check_name(const char* what, const std::string& name) {
  const char* fault = fault_of(name);
  if (fault == nullptr) return;
  throw failure(bad_data, fmt::format("cannot add {} {}: {}; choose another name", what, in_quotes(name), fault));
}

int add(const claim_context& context, const lockkit::resource& what) {
  check_name("to the pool", what.pool);
  check_name("the resource", what.name);
  auto store = open_database(context.database, if_missing::make);
  if (!store.add(what)) say("{} is in the pool {} already, just as given", in_quotes(what.name), in_quotes(what.pool));
  return done;
}

}  // namespace

void add_claim_add(CLI::App& claim, const shared_claim_context& context) {
  auto what = std::make_shared<lockkit::resource>();
  CLI::App* sub = claim.add_subcommand("add", "Add a resource, change it, or bring it back");
  sub->add_option("pool", what->pool, "Kind of thing, such as gpu")->type_name("POOL")->required();
  sub->add_option("name", what->name, "Which one; for GPUs the UUID")->type_name("NAME")->required();
  sub->add_option("--capacity", what->capacity, "Units that can be claimed at once [1]")->type_name("N");
  sub->add_option("--group", what->group, "Such as a NUMA node, or a queue")->type_name("NAME");
  add_bytes(*sub, "--memory", what->memory, "80GB, 64GiB, or a number of bytes; for --min-memory");
  add_json_object(*sub, "--attributes", what->attributes, "For --match, and for people");
  sub->callback([context, what] { context->call.exit_code = add(*context, *what); });
}

}  // namespace lockkit_command
