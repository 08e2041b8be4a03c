#pragma once
/// A T that forked processes share: the witness that no lock has to be asked for.

#include <sys/mman.h>

#include <new>
#include <stdexcept>

namespace testing {

template <class T>
class shared_memory {
 public:
  shared_memory() {
    void* page = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) throw std::runtime_error("mmap failed");
    value_ = new (page) T();
  }
  ~shared_memory() { ::munmap(value_, sizeof(T)); }
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;
  T* operator->() const { return value_; }
  T& operator*() const { return *value_; }

 private:
  T* value_;
};

}  // namespace testing
