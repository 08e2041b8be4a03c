#include "claims/model/actor_process.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>

namespace testing {

actor_process::actor_process(const std::filesystem::path& database, const fake_clock* clock)
    : process_([&] {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(orders_.read_end(), STDIN_FILENO);
        ::dup2(answers_.write_end(), STDOUT_FILENO);
        if (clock != nullptr) clock->wear();
        ::execl(LOCKKIT_CLAIMS_ACTOR, "claims_actor", database.c_str(), nullptr);
        return 127;
      }),
      from_(::fdopen(::dup(answers_.read_end()), "r")) {
  answers_.close_write();
  orders_.close_read();
  answer();  // it is ready
}

actor_process::~actor_process() {
  kill();
  std::fclose(from_);
}

std::vector<std::string> actor_process::ask(const std::string& order) {
  const std::string line = order + "\n";
  if (::write(orders_.write_end(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the actor does not listen");
  }
  return answer();
}

std::vector<std::string> actor_process::answer() {
  std::string line;
  for (int byte = std::fgetc(from_); byte != '\n'; byte = std::fgetc(from_)) {
    if (byte == EOF) throw std::runtime_error("the actor died");
    line.push_back(static_cast<char>(byte));
  }
  std::istringstream words(line);
  std::vector<std::string> found;
  for (std::string word; words >> word;) found.push_back(word);
  return found;
}

void actor_process::kill() {
  const int pid = process_.pid();
  if (pid <= 0) return;
  process_.kill();
  fake_clock::clean_up_after(pid);
}

}  // namespace testing
