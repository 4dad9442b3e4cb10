// What an HTTP request shows of its caller.
#pragma once

#include "api/http/http.h"
#include "auth/access.h"

namespace deferd {

// Authorization; else X-Goog-Api-Key, or the query's key, access_token or oauth_token (the last two
// as Google's older clients send them). As long as the request's views.
CredentialsView credentials_of(const HttpRequest& request);

}  // namespace deferd
