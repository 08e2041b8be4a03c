#include "failure.hpp"

#include <lockkit/error.hpp>

#include "message.hpp"

namespace lockkit_command {

int guarded(const std::function<int()>& body) noexcept {
  try {
    return body();
  } catch (const failure& ended) {
    say("{}", ended.what());
    return ended.code();
  } catch (const lockkit::error& thrown) {
    say("{}", failure_text(thrown));
    return exit_code_for(thrown.code());
  } catch (const std::system_error& thrown) {
    say("{}", failure_text(thrown));
    return exit_code_for(thrown.code());
  } catch (const std::exception& thrown) {
    say("{}", failure_text(thrown));
    return io_error;
  }
}

}  // namespace lockkit_command
