#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace deferd {
namespace {
thread_local AssertContext context_print = nullptr;
thread_local const void* context_owner = nullptr;
}  // namespace

void set_assert_context(AssertContext print, const void* owner) {
  context_print = print;
  context_owner = owner;
}

void assert_failed(const char* condition, const char* file, int line, const std::string& values) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s%s\n", file, line, condition, values.c_str());
  if (context_print != nullptr) {
    const AssertContext print = context_print;
    context_print = nullptr;  // an assertion inside the printer must not come back here
    std::fprintf(stderr, "%s\n", print(context_owner).c_str());
  }
  std::fflush(stderr);
  std::abort();
}

}  // namespace deferd
