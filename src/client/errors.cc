#include "deferd/errors.h"

#include <utility>

namespace deferd::inline v1 {

void Refusal::raise() const {
  if (status == "INVALID_ARGUMENT") throw InvalidArgument(*this);
  if (status == "FAILED_PRECONDITION" && code == 409) throw LeaseLost(*this);
  if (status == "FAILED_PRECONDITION") throw FailedPrecondition(*this);
  if (status == "UNAUTHENTICATED") throw Unauthenticated(*this);
  if (status == "PERMISSION_DENIED") throw PermissionDenied(*this);
  if (status == "NOT_FOUND") throw NotFound(*this);
  if (status == "ALREADY_EXISTS") throw AlreadyExists(*this);
  if (status == "RESOURCE_EXHAUSTED") throw ResourceExhausted(*this);
  if (status == "UNAVAILABLE") throw Unavailable(*this);
  throw ServerError(*this);
}

}  // namespace deferd::inline v1
