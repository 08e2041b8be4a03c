#include "claims/faulty_vfs.hpp"

#include <sqlite3.h>

#include <cstring>
#include <new>

namespace testing {
namespace {

struct state {
  std::uint64_t countdown = 0;
  std::uint64_t operations = 0;
  int result = SQLITE_OK;
  bool fired = false;
  std::string what;
  std::function<void()> on_database_write;
};
state current;
sqlite3_vfs* real = nullptr;
sqlite3_vfs shim;

struct shim_file {
  sqlite3_file base;
  const char* kind;
  sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

/// 0, or what the operation must report.
int before(const char* name, sqlite3_file* file) {
  ++current.operations;
  if (current.result == SQLITE_BUSY && std::strstr(name, "Lock") == nullptr) return SQLITE_OK;
  if (current.countdown == 0 || --current.countdown != 0) return SQLITE_OK;
  current.fired = true;
  current.what = std::string(name) + " of " + reinterpret_cast<shim_file*>(file)->kind;
  return current.result;
}

sqlite3_file* inner(sqlite3_file* file) {
  return reinterpret_cast<shim_file*>(file)->inner();
}

template <class Call>
int guarded(const char* name, sqlite3_file* file, Call&& call) {
  if (const int result = before(name, file)) return result;
  sqlite3_file* to = inner(file);
  return call(to, to->pMethods);
}

int close(sqlite3_file* file) {
  ++current.operations;
  return inner(file)->pMethods->xClose(inner(file));
}
int read(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  return guarded("xRead", f, [&](auto* i, auto* m) { return m->xRead(i, to, size, at); });
}
int write(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  if (current.on_database_write && reinterpret_cast<shim_file*>(f)->kind[0] == 'd') current.on_database_write();
  return guarded("xWrite", f, [&](auto* i, auto* m) { return m->xWrite(i, from, size, at); });
}
int truncate(sqlite3_file* f, sqlite3_int64 size) {
  return guarded("xTruncate", f, [&](auto* i, auto* m) { return m->xTruncate(i, size); });
}
int sync(sqlite3_file* f, int flags) {
  return guarded("xSync", f, [&](auto* i, auto* m) { return m->xSync(i, flags); });
}
int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return guarded("xFileSize", f, [&](auto* i, auto* m) { return m->xFileSize(i, size); });
}
int lock(sqlite3_file* f, int level) {
  return guarded("xLock", f, [&](auto* i, auto* m) { return m->xLock(i, level); });
}
int unlock(sqlite3_file* f, int level) {
  ++current.operations;
  return inner(f)->pMethods->xUnlock(inner(f), level);
}
int check_reserved(sqlite3_file* f, int* result) {
  return inner(f)->pMethods->xCheckReservedLock(inner(f), result);
}
int control(sqlite3_file* f, int op, void* argument) {
  return inner(f)->pMethods->xFileControl(inner(f), op, argument);
}
int sector_size(sqlite3_file* f) {
  return inner(f)->pMethods->xSectorSize(inner(f));
}
int characteristics(sqlite3_file* f) {
  return inner(f)->pMethods->xDeviceCharacteristics(inner(f));
}
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** to) {
  return guarded("xShmMap", f, [&](auto* i, auto* m) { return m->xShmMap(i, page, size, extend, to); });
}
int shm_lock(sqlite3_file* f, int offset, int count, int flags) {
  if ((flags & SQLITE_SHM_UNLOCK) != 0) return inner(f)->pMethods->xShmLock(inner(f), offset, count, flags);
  return guarded("xShmLock", f, [&](auto* i, auto* m) { return m->xShmLock(i, offset, count, flags); });
}
void shm_barrier(sqlite3_file* f) {
  inner(f)->pMethods->xShmBarrier(inner(f));
}
int shm_unmap(sqlite3_file* f, int remove) {
  return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}
int fetch(sqlite3_file*, sqlite3_int64, int, void** to) {
  *to = nullptr;  // as without memory mapping
  return SQLITE_OK;
}
int unfetch(sqlite3_file*, sqlite3_int64, void*) {
  return SQLITE_OK;
}

const sqlite3_io_methods methods = {
    3,         close,          read,    write,       truncate,        sync,    file_size, lock,
    unlock,    check_reserved, control, sector_size, characteristics, shm_map, shm_lock,  shm_barrier,
    shm_unmap, fetch,          unfetch};

const char* kind_of(int flags) {
  if ((flags & SQLITE_OPEN_WAL) != 0) return "wal";
  return (flags & SQLITE_OPEN_MAIN_DB) != 0 ? "db" : "other";
}

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* mine = reinterpret_cast<shim_file*>(file);
  mine->base.pMethods = nullptr;
  mine->kind = kind_of(flags);
  if (const int result = before("xOpen", file)) return result;
  const int result = real->xOpen(real, name, mine->inner(), flags, out);
  if (result == SQLITE_OK) mine->base.pMethods = &methods;
  return result;
}

}  // namespace

faulty_vfs::faulty_vfs() {
  current = {};
  real = sqlite3_vfs_find(nullptr);
  shim = *real;
  shim.zName = "faulty";
  shim.szOsFile = static_cast<int>(sizeof(shim_file)) + real->szOsFile;
  shim.pNext = nullptr;
  shim.xOpen = open;
  sqlite3_vfs_register(&shim, 1);
}

faulty_vfs::~faulty_vfs() {
  sqlite3_vfs_unregister(&shim);
  sqlite3_vfs_register(real, 1);
}

void faulty_vfs::fail(std::uint64_t nth, int result) {
  current.countdown = nth;
  current.result = result;
  current.fired = false;
}

bool faulty_vfs::fired() const {
  return current.fired;
}

std::uint64_t faulty_vfs::operations() const {
  return current.operations;
}

std::string faulty_vfs::what() const {
  return current.what;
}

void faulty_vfs::on_database_write(std::function<void()> look) {
  current.on_database_write = std::move(look);
}

}  // namespace testing
