/// lockkit cache --cache DIR remove KEY
#include "cache_command.hpp"
#include "exit_code.hpp"
#include "message.hpp"
#include "options.hpp"

namespace lockkit_command {
namespace {

struct remove_arguments {
  std::string key;
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
};

int remove(const cache_context& context, const remove_arguments& given) {
  lockkit::mirror_cache cache = open_existing_cache(context);
  if (cache.remove(given.key, lockkit::deadline::after(given.timeout))) return done;
  say("{} is not cached; 'cache list' shows what is", in_quotes(given.key));
  return answer_is_no;
}

}  // namespace

void add_cache_remove(CLI::App& cache, const shared_cache_context& context) {
  auto given = std::make_shared<remove_arguments>();
  CLI::App* sub = cache.add_subcommand("remove", "Forget a key; mirrors stay. Exit code 1 if it is not cached");
  sub->add_option("key", given->key, "As it was asked for")->type_name("KEY")->required();
  add_duration(*sub, "--timeout", given->timeout, "How long to wait for a fetch of it that runs [never give up]");
  sub->callback([context, given] { context->call.exit_code = remove(*context, *given); });
}

}  // namespace lockkit_command
