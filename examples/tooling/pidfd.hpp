#pragma once
/// pidfd_open and pidfd_send_signal. glibc 2.36 forgot to say that they are C.
extern "C" {
#include <sys/pidfd.h>
}
