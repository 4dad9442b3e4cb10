// Preloaded before a deferd under test: its wall clock is SHIFT_CLOCK_NS nanoseconds ahead of the machine's, so that
// a test of what happens at nine does not wait for nine. Monotonic time is left as it is.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long shift(void) {
  static long long nanoseconds;
  static int known;
  if (!known) {
    const char* text = getenv("SHIFT_CLOCK_NS");
    nanoseconds = text ? strtoll(text, NULL, 10) : 0;
    known = 1;
  }
  return nanoseconds;
}

int clock_gettime(clockid_t clock, struct timespec* out) {
  const long failed = syscall(SYS_clock_gettime, clock, out);
  if (failed || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return (int)failed;
  const long long total = out->tv_sec * 1000000000LL + out->tv_nsec + shift();
  out->tv_sec = total / 1000000000LL;
  out->tv_nsec = total % 1000000000LL;
  return 0;
}

int gettimeofday(struct timeval* out, void* zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
