#include "claims/model/simulation.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace model {

using namespace std::chrono_literals;
using lockkit::claim_life;
using lockkit::claim_request;
using lockkit::errc;
using lockkit::resource_state;
using lockkit::task_ref;
using lockkit::task_state;

namespace {

constexpr int actor_count = 3;
constexpr auto long_lease = std::chrono::hours(1);
constexpr auto short_lease = 1ms;

/// As claims_actor reads it.
std::string described(const claim_request& request) {
  return std::to_string(request.count) + " " + std::to_string(request.memory) + " " +
         (request.group.empty() ? "-" : request.group) + (request.one_group ? " 1 " : " 0 ") +
         std::to_string(static_cast<int>(request.life)) + " " + std::to_string(request.lease.count());
}

}  // namespace

simulation::simulation(unsigned seed)
    : place_(testing::memory_directory()), database_(place_ / "claims.db"), random_(seed) {
  if (const auto library = testing::find_faketime()) clock_ = std::make_unique<testing::fake_clock>(*library);
  open_store();
  actors_.resize(actor_count);
  for (int i = 0; i < actor_count; ++i) start_actor(i);
  for (int i = 0; i < 3; ++i) add_resource();
}

simulation::~simulation() = default;

void simulation::open_store() {
  store_ = std::make_unique<lockkit::claim_store>(database_);
  queue_ = std::make_unique<lockkit::task_queue>(*store_, "work");
}

void simulation::start_actor(int actor) {
  actors_[static_cast<std::size_t>(actor)] = std::make_unique<testing::actor_process>(database_, clock_.get());
}

void simulation::expect(bool right, const std::string& what) {
  if (!right) throw std::runtime_error(what + "\nafter these steps:\n" + log_);
}

simulation::words simulation::ask(int actor, const std::string& order) {
  log_ += std::to_string(actor) + "> " + order;
  words answer;
  try {
    answer = actors_[static_cast<std::size_t>(actor)]->ask(order);
  } catch (const std::runtime_error& failure) {
    expect(false, failure.what());
  }
  for (const std::string& word : answer) log_ += " " + word;
  log_ += "\n";
  return answer;
}

claim_request simulation::random_request() {
  claim_request request{.pool = "gpu", .count = 1 + below(3)};
  request.memory = below(3) * 10;
  if (below(4) == 0) request.group = below(2) == 0 ? "a" : "b";
  request.one_group = below(4) == 0;
  const unsigned life = below(8);
  request.life = life < 4    ? claim_life::process
                 : life < 6  ? claim_life::lease
                 : life == 6 ? claim_life::job
                             : claim_life::released;
  if (request.life == claim_life::lease)
    request.lease = below(2) == 0 ? std::chrono::milliseconds(long_lease) : short_lease;
  return request;
}

void simulation::step() {
  const unsigned dice = below(100);
  if (dice < 8) return add_resource();
  if (dice < 13) return change_state();
  if (dice < 35) return claim();
  if (dice < 55) return use_claim();
  if (dice < 65) return submit();
  if (dice < 77) return take();
  if (dice < 87) return report();
  if (dice < 90) return report_late();
  if (dice < 93) return cancel_or_retry();
  if (dice < 96) return kill_actor();
  if (dice < 97) return step_clock();
  if (dice < 98) return reboot();
  return end_claim();
}

void simulation::add_resource() {
  lockkit::resource what{.pool = "gpu", .name = unit_name(), .capacity = 1 + below(2)};
  what.group = below(2) == 0 ? "a" : "b";
  what.memory = below(3) * 10;
  unburied_ = true;
  bury();
  std::error_code ec;
  store_->add(what, ec);
  log_ += "add " + what.name + " x" + std::to_string(what.capacity) + " " + what.group + " " +
          std::to_string(what.memory) + "\n";
  const bool too_small = what.capacity < world_.used(what.name);
  expect(too_small ? ec == errc::in_use : !ec, "adding " + what.name + ": " + ec.message());
  if (too_small) return;
  unit& mine = world_.units[what.name];
  mine.what = what;
  if (mine.state == resource_state::retired) mine.state = resource_state::up;
}

void simulation::change_state() {
  const std::string name = unit_name();
  const auto state = static_cast<resource_state>(below(3));
  std::error_code ec;
  store_->set_state("gpu", name, state, ec);
  log_ += "state " + name + " " + std::to_string(static_cast<int>(state)) + "\n";
  const auto mine = world_.units.find(name);
  expect(mine == world_.units.end() ? ec == errc::no_such_resource : !ec, "state of " + name + ": " + ec.message());
  if (!ec) mine->second.state = state;
}

void simulation::note_grant(int actor, const claim_request& request, const std::string& key,
                            words::const_iterator first, words::const_iterator last) {
  held mine{.number = grants_++, .actor = actor, .life = request.life};
  for (auto word = first; word != last; ++word) {
    const std::string name = word->substr(0, word->find(':'));
    mine.names.push_back(name);
  }
  expect(request.pool.empty() ? mine.names.empty() : world_.may_get(request, mine.names),
         "may not be granted to " + key);
  for (auto word = first; word != last; ++word) {
    unit& given = world_.units.at(word->substr(0, word->find(':')));
    const std::uint64_t token = std::stoull(word->substr(word->find(':') + 1));
    expect(token > given.token, "the token of " + given.what.name + " does not grow");
    given.token = token;
  }
  if (request.life == claim_life::lease && request.lease == short_lease) {
    std::this_thread::sleep_for(2 * short_lease);  // runs out for certain
    mine.expired = true;
  }
  world_.claims[key] = mine;
}

void simulation::claim() {
  const int actor = static_cast<int>(below(actor_count));
  const claim_request request = random_request();
  bury();
  const words answer = ask(actor, "claim " + described(request));
  switch (world_.expected(request)) {
    case outcome::granted:
      expect(answer[0] == "granted", "refused though enough is free");
      return note_grant(actor, request, answer[1], answer.begin() + 2, answer.end());
    case outcome::none:
      return expect(answer[0] == "none", "neither granted nor impossible, but this was not the answer");
    case outcome::never:
      return expect(answer[0] == "error" && answer[1] == std::to_string(static_cast<int>(errc::no_such_resource)),
                    "impossible, but this was not the answer");
  }
}

std::optional<std::string> simulation::some_claim(bool usable) {
  std::vector<std::pair<unsigned, std::string>> found;
  for (const auto& [key, claim] : world_.claims) {
    if (claim.is_usable || !usable) found.emplace_back(claim.number, key);
  }
  if (found.empty()) return std::nullopt;
  std::ranges::sort(found);
  return found[below(static_cast<unsigned>(found.size()))].second;
}

/// Verify, renew, release or detach.
void simulation::use_claim() {
  const auto key = some_claim(true);
  if (!key) return;
  held& mine = world_.claims.at(*key);
  const char* const verbs[] = {"verify", "renew", "release", "release", "detach"};
  const std::string verb = verbs[below(5)];
  const words answer = ask(mine.actor, verb + " " + *key);
  if (verb == "detach") {
    expect(answer[0] == "yes", "detaching");
    mine.is_usable = false;
    if (mine.life != claim_life::job) return;
    unburied_ = true;  // nobody else has its descriptor
    return world_.lose(*key);
  }
  expect(answer[0] == (mine.expired ? "no" : "yes"), verb);
  if (verb == "release") world_.lose(*key);
}

void simulation::submit() {
  lockkit::new_task task{.key = "task" + std::to_string(below(4) == 0 ? below(keys_ + 1) : keys_++)};
  task.priority = static_cast<std::int32_t>(below(3));
  task.max_attempts = 1 + below(2);
  if (below(4) != 0) {
    task.needs = random_request();
    if (task.needs.life == claim_life::lease) task.needs.lease = long_lease;
  }
  if (below(4) == 0 && !world_.tasks.empty()) task.after.push_back(world_.tasks.rbegin()->first);
  const auto known =
      std::ranges::find_if(world_.tasks, [&](const auto& each) { return each.second.what.key == task.key; });
  const auto got = queue_->submit(task);
  log_ += "submit " + task.key + " as " + std::to_string(got.id) + ", needs " +
          (task.needs.pool.empty() ? "nothing" : described(task.needs)) + "\n";
  expect(got.fresh == (known == world_.tasks.end()), task.key + " submitted twice or never");
  expect(got.fresh || got.id == known->first, task.key + " has two numbers");
  if (got.fresh) world_.tasks[got.id] = {.what = task, .max_attempts = task.max_attempts};
}

void simulation::take() {
  bury();
  const int actor = static_cast<int>(below(actor_count));
  const auto wanted = world_.next_task();
  const words answer = ask(actor, "take");
  if (answer[0] == "none") return expect(!wanted || world_.has_hungry_task_before(*wanted), "a task was refused");
  expect(answer[0] == "taken", "taking failed");
  const std::uint64_t id = std::stoull(answer[1]);
  expect(wanted && (id == *wanted || world_.has_hungry_task_before(*wanted)), "another task was to be taken");
  work& mine = world_.tasks.at(id);
  ++mine.attempt;
  expect(answer[2] == std::to_string(mine.attempt) && answer[3] == mine.what.key, "attempt or key");
  mine.state = task_state::taken;
  mine.claim_key = answer[4];
  refs_.push_back({id, mine.attempt, mine.claim_key});
  note_grant(actor, mine.what.needs, mine.claim_key, answer.begin() + 5, answer.end());
}

/// One of the reports by whoever has the right to make it.
void simulation::report() {
  bury();
  std::vector<std::uint64_t> open;
  for (const auto& [id, task] : world_.tasks) {
    if (task.state >= task_state::taken && (task.state <= task_state::running || task.state == task_state::unknown))
      open.push_back(id);
  }
  if (open.empty()) return;
  const std::uint64_t id = open[below(static_cast<unsigned>(open.size()))];
  work& mine = world_.tasks.at(id);
  const task_ref ref{id, mine.attempt, mine.claim_key};
  const unsigned kind = below(6);
  log_ += "report " + std::to_string(kind) + " about " + std::to_string(id) + "\n";
  std::error_code ec;
  switch (kind) {
    case 0:
      queue_->finish(ref, "well", ec);
      world_.over(id, task_state::done);
      break;
    case 1:
      queue_->fail(ref, "badly", {}, ec);
      world_.over(id, mine.cancel_wanted                 ? task_state::cancelled
                      : mine.attempt < mine.max_attempts ? task_state::ready
                                                         : task_state::failed);
      break;
    case 2:
      queue_->hand_back(ref, ec);
      world_.over(id, mine.cancel_wanted ? task_state::cancelled : task_state::ready);
      --mine.attempt;
      break;
    case 3:
      queue_->cancelled(ref, "asked", ec);
      world_.over(id, task_state::cancelled);
      break;
    default:
      if (mine.state == task_state::unknown) return;  // adopting is tried by tests of its own
      kind == 4 ? queue_->submitting(ref, "outside", ec) : queue_->running(ref, "outside", ec);
      mine.state = std::max(mine.state, kind == 4 ? task_state::submitting : task_state::running);  // never back
  }
  expect(!ec, "a report of the holder: " + ec.message());
}

void simulation::report_late() {
  if (refs_.empty()) return;
  const task_ref ref = refs_[below(static_cast<unsigned>(refs_.size()))];
  const work& now = world_.tasks.at(ref.id);
  if (now.claim_key == ref.claim_key) return;  // not late
  std::error_code ec;
  log_ += "late report about " + std::to_string(ref.id) + "\n";
  queue_->finish(ref, "too late", ec);
  expect(ec == errc::claim_lost, "a late holder's finish: " + ec.message());
}

void simulation::cancel_or_retry() {
  if (world_.tasks.empty()) return;
  bury();
  auto chosen = world_.tasks.begin();
  std::advance(chosen, below(static_cast<unsigned>(world_.tasks.size())));
  auto& [id, task] = *chosen;
  const bool is_over =
      task.state == task_state::done || task.state == task_state::failed || task.state == task_state::cancelled;
  if (below(2) == 0) {
    log_ += "cancel " + std::to_string(id) + "\n";
    expect(queue_->cancel(id) == !is_over, "cancelling");
    if (task.state == task_state::ready)
      task.state = task_state::cancelled;
    else if (!is_over)
      task.cancel_wanted = true;
    return;
  }
  const bool may = is_over ? task.state != task_state::done : task.state == task_state::unknown;
  log_ += "retry " + std::to_string(id) + "\n";
  expect(queue_->retry(id) == may, "retrying");
  if (!may) return;
  if (task.state == task_state::unknown) world_.claims.erase(task.claim_key);
  task.state = task_state::ready;
  task.max_attempts = std::max(task.max_attempts, task.attempt + 1);
  task.cancel_wanted = false;
}

void simulation::kill_actor() {
  const int actor = static_cast<int>(below(actor_count));
  log_ += "kill " + std::to_string(actor) + "\n";
  actors_[static_cast<std::size_t>(actor)]->kill();
  for (auto& [key, claim] : world_.claims) {
    if (claim.actor == actor) claim.is_usable = false;
  }
  world_.kill(actor);
  unburied_ = true;
  start_actor(actor);
}

/// The model's dead are gone at once; so they are in the database before what tells the difference.
void simulation::bury() {
  std::vector<std::string> expired;
  for (const auto& [key, claim] : world_.claims) {
    if (claim.expired) expired.push_back(key);
  }
  if (below(2) == 0 || unburied_) store_->bury_dead();
  unburied_ = false;
  for (const std::string& key : expired) world_.lose(key);
}

void simulation::step_clock() {
  const char* const offsets[] = {"+3600s", "-3600s", "+0s"};
  const char* const offset = offsets[below(3)];
  log_ += std::string("clock ") + offset + "\n";
  if (clock_) clock_->step(offset);
}

void simulation::reboot() {
  log_ += "reboot\n";
  for (auto& actor : actors_) actor->kill();
  queue_.reset();
  store_.reset();
  testing::run_program(
      {"sqlite3", database_.string(), "UPDATE meta SET value = 'an earlier one' WHERE name = 'boot_id'"});
  for (auto& [key, claim] : world_.claims) claim.is_usable = false;
  world_.reboot();
  open_store();
  for (int i = 0; i < actor_count; ++i) start_actor(i);
}

void simulation::end_claim() {
  unburied_ = true;
  bury();
  const auto key = some_claim(false);
  if (!key) return;
  log_ += "end " + *key + "\n";
  expect(store_->end_claim(*key), "ending a claim");
  world_.lose(*key);
}

void simulation::check_all() {
  unburied_ = true;
  bury();
  compare_resources();
  compare_claims();
  compare_tasks();
}

void simulation::check_integrity() {
  const auto integrity = testing::capture_program({"sqlite3", database_.string(), "PRAGMA integrity_check"}).text;
  expect(integrity == "ok\n", integrity);
}

void simulation::compare_resources() {
  const auto listed = store_->list("gpu", true);
  expect(listed.size() == world_.units.size(), "number of resources");
  for (const auto& each : listed) {
    const unit& mine = world_.units.at(each.what.name);
    expect(each.state == mine.state && each.what.capacity == mine.what.capacity &&
               each.what.memory == mine.what.memory && each.used == world_.used(each.what.name) &&
               each.token.value == mine.token,
           "resource " + each.what.name);
  }
}

void simulation::compare_claims() {
  const auto listed = store_->claims();
  expect(listed.size() == world_.claims.size(),
         "number of claims: " + std::to_string(listed.size()) + ", not " + std::to_string(world_.claims.size()));
  for (const auto& each : listed) {
    const auto mine = world_.claims.find(each.key);
    expect(mine != world_.claims.end() && each.alive && each.life == mine->second.life &&
               each.items.size() == mine->second.names.size(),
           "claim " + each.key);
  }
}

void simulation::compare_tasks() {
  std::uint64_t after = 0;
  std::size_t count = 0;
  for (auto page = queue_->list({.limit = 7}); !page.empty(); page = queue_->list({.after = after, .limit = 7})) {
    for (const auto& each : page) {
      const work& mine = world_.tasks.at(each.id);
      expect(each.state == mine.state && each.attempt == mine.attempt && each.max_attempts == mine.max_attempts &&
                 each.key == mine.what.key,
             "task " + std::to_string(each.id) + " is " + std::string(to_string(each.state)) + ", not " +
                 std::string(to_string(mine.state)) + "; attempt " + std::to_string(each.attempt) + " of " +
                 std::to_string(each.max_attempts) + ", not " + std::to_string(mine.attempt) + " of " +
                 std::to_string(mine.max_attempts));
      after = each.id;
      ++count;
    }
  }
  expect(count == world_.tasks.size(), "number of tasks");
}

}  // namespace model
