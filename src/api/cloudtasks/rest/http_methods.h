// The methods that only HTTP has: BufferTask (CT-spec 9.11), and what Firebase's tools ask of their
// task emulator, without a version in the path (CT-spec 15.9). Beside the one table (methods.h),
// and made of its calls.
#pragma once

#include <span>
#include <string_view>

#include "api/cloudtasks/methods.h"

namespace deferd::cloudtasks::rest {

constexpr std::string_view firebase_service = "deferd.cloudtasks.Firebase";

// BufferTask is of the service of each version.
std::span<const Method> http_methods();

}  // namespace deferd::cloudtasks::rest
