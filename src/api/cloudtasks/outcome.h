// How a call of Google's APIs ends: with its answer, or with a google.rpc.Status (code, message,
// details) that both transports carry as it is. The words are exact where the service's are known
// (CT-spec 8).
#pragma once

#include <google/rpc/code.pb.h>
#include <google/rpc/status.pb.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "base/callback.h"
#include "base/result.h"

namespace deferd::cloudtasks {

using Failure = google::rpc::Status;

template <class T>
class [[nodiscard]] Outcome : public tl::expected<T, Failure> {
 public:
  using tl::expected<T, Failure>::expected;
};

// Called once, on the thread of the call (call.h).
template <class T>
using Done = Callback<void(Outcome<T>)>;

inline tl::unexpected<Failure> refuse(Failure failure) {
  return tl::unexpected<Failure>(std::move(failure));
}
tl::unexpected<Failure> refuse(google::rpc::Code code, std::string message);
tl::unexpected<Failure> refuse_argument(std::string message);  // INVALID_ARGUMENT

// With a google.rpc.Help detail of one link.
Failure with_help(Failure failure, std::string_view description, std::string_view url);

// What a call is about decides the words of some failures.
enum class Subject { queue, deleted_queue, made_queue, task };
Failure failure_of(const Error& error, Subject subject);

// "NOT_FOUND"
const std::string& code_name(int code);
// "not_found"; "unknown" of what is none.
std::string_view code_word(int code);

}  // namespace deferd::cloudtasks
