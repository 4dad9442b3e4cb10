// Who makes the tokens that pushes carry in their Authorization header (model/push_token.h). The
// dispatcher asks for one an attempt; whether it is made anew is the source's business.
#pragma once

#include <string>
#include <string_view>

#include "base/callback.h"
#include "base/result.h"
#include "base/time.h"
#include "model/push_token.h"

namespace deferd {

class TokenSource {
 public:
  virtual ~TokenSource() = default;

  // Gives `done` the value of the header: "Bearer ...". `url` is where the push goes, as its task
  // and queue spell it: the audience of an identity token that names none (CT-171). `token` and
  // `url` are valid during the call only, which must not block.
  //
  // `done` is called once, on any thread, also from within token(); what comes after the attempt or
  // the dispatcher has ended is dropped. An error fails the attempt, which is never sent without
  // its token: with status_unreachable for Reason::timeout and Reason::overloaded, as it may be had
  // later, else with status_refused. Its message is shown to those who ask why: no secrets.
  virtual void token(const PushToken& token, std::string_view url, Wall now,
                     Callback<void(Result<std::string>)> done) = 0;
};

}  // namespace deferd
