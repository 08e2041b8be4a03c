#include "content_proof.hpp"

namespace lockkit::detail {
namespace {

// A process that meets more contents than that hashes some a second time.
constexpr std::size_t most_proofs = 65536;

}  // namespace

content_proofs::proof content_proofs::proof_of(const struct stat& found) noexcept {
  constexpr std::int64_t second = 1'000'000'000;
  return {found.st_dev, found.st_ino, found.st_mtim.tv_sec * second + found.st_mtim.tv_nsec};
}

bool content_proofs::covers(const std::string& path, const struct stat& found) const {
  const std::lock_guard hold(mutex_);
  const auto known = proofs_.find(path);
  return known != proofs_.end() && known->second == proof_of(found);
}

void content_proofs::add(const std::string& path, const struct stat& found) {
  const std::lock_guard hold(mutex_);
  if (proofs_.size() >= most_proofs) proofs_.clear();
  proofs_[path] = proof_of(found);
}

}  // namespace lockkit::detail
