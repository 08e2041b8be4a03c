// A stranger's program that wants claims alone.
#include <cstdio>
#include <filesystem>
#include <string>

#include <lockkit/claim_store.hpp>

int main() {
  const auto folder =
      std::filesystem::temp_directory_path() / ("lockkit-consumer-" + std::to_string(lockkit::current_process().pid));
  std::filesystem::create_directory(folder);
  bool ours = false;
  {
    lockkit::claim_store store(folder / "claims.db");
    store.add({.pool = "licence", .name = "cad"});
    const auto held = store.try_claim({.pool = "licence"});
    ours = held && !store.try_claim({.pool = "licence"});
    std::printf("token %llu\n", static_cast<unsigned long long>(held->items()[0].token.value));
  }
  std::filesystem::remove_all(folder);
  return ours ? 0 : 1;
}
