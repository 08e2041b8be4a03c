#include "frame.hpp"
#include "store_subcommands.hpp"

int main(int argc, char** argv) {
  return lockkit_command::run_program(lockkit_command::store_subcommands(), argc, argv);
}
