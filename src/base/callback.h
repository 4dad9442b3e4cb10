// A function that is called later, once, and may own what cannot be copied.
#pragma once

#include <absl/functional/any_invocable.h>

namespace deferd {

template <class Signature>
using Callback = absl::AnyInvocable<Signature>;

}  // namespace deferd
