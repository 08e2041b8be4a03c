/// claims_actor DATABASE: holds claims and takes tasks as it is told, one line in, one line out.
///
///   claim COUNT MEMORY GROUP|- ONE_GROUP LIFE LEASE_MS   granted KEY NAME:TOKEN ... | none | error CODE
///   take                                                 taken ID ATTEMPT KEY CLAIM_KEY NAME:TOKEN ... | none | error CODE
///   release KEY | verify KEY | renew KEY | detach KEY    yes | no | error CODE
#include <chrono>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include <lockkit/task_queue.hpp>

namespace {

using namespace lockkit;

class actor {
 public:
  explicit actor(const char* database) : store_(database), queue_(store_, "work") {}

  std::string obey(const std::string& line) {
    std::istringstream order(line);
    std::string verb;
    order >> verb;
    std::error_code ec;
    const std::string answer = verb == "claim"  ? claim_some(order, ec)
                               : verb == "take" ? take(ec)
                                                : use(verb, order, ec);
    return ec ? "error " + std::to_string(ec.value()) + " " + ec.message() : answer;
  }

 private:
  std::string claim_some(std::istringstream& order, std::error_code& ec) {
    claim_request request{.pool = "gpu"};
    int life = 0;
    std::int64_t lease = 0;
    order >> request.count >> request.memory >> request.group >> request.one_group >> life >> lease;
    if (request.group == "-") request.group.clear();
    request.life = static_cast<claim_life>(life);
    request.lease = std::chrono::milliseconds(lease);
    auto got = store_.try_claim(request, ec);
    return got ? "granted " + keep(std::move(*got)) : "none";
  }

  std::string take(std::error_code& ec) {
    auto got = queue_.try_take({}, ec);
    if (!got) return "none";
    const std::string what = std::to_string(got->ref.id) + " " + std::to_string(got->ref.attempt) + " " + got->key;
    return "taken " + what + " " + keep(std::move(got->held));
  }

  std::string keep(claim&& got) {
    std::string text = got.key();
    for (const auto& item : got.items()) text += " " + item.name + ":" + std::to_string(item.token.value);
    const std::string key = got.key();
    held_.emplace(key, std::move(got));
    return text;
  }

  std::string use(const std::string& verb, std::istringstream& order, std::error_code& ec) {
    std::string key;
    order >> key;
    claim& mine = held_.at(key);
    if (verb == "verify") return mine.verify(ec) ? "yes" : "no";
    if (verb == "renew") return mine.renew(ec) ? "yes" : "no";
    if (verb == "release") {
      mine.release(ec);
      const bool lost = ec == errc::claim_lost;
      if (lost) ec.clear();
      return lost ? "no" : "yes";
    }
    mine.detach();
    held_.erase(key);
    return "yes";
  }

  claim_store store_;
  task_queue queue_;
  std::map<std::string, claim> held_;
};

}  // namespace

int main(int, char** arguments) {
  actor self(arguments[1]);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cout << self.obey(line) << std::endl;
  std::_Exit(0);  // as a crash: what it holds is not given back by its destructors
}
