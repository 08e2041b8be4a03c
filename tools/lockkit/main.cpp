#include "frame.hpp"
#include "quick_subcommands.hpp"

int main(int argc, char** argv) {
  return lockkit_command::run_program(lockkit_command::quick_subcommands(), argc, argv);
}
