// The bytes of a push up to its body: request line, Host, the task's own headers as they were
// spelled, those of its door, Content-Length. Pure; written by hand into a buffer that its
// connection keeps.
#pragma once

#include <string>

#include "base/result.h"
#include "dispatch/door_headers.h"
#include "model/push_request.h"

namespace deferd {

// Fails with Reason::invalid, naming the header, when one could not be sent as one line: nothing
// that a task holds may become a second header or a second request. Doors refuse such tasks
// already.
Result<void> check_request_headers(const PushRequestView& request);

// Replaces `out`. Headers of the connection (Host, Content-Length, hop-by-hop ones, Expect) are
// left out: they are the dispatcher's, and doors refuse them already. Requires that
// check_request_headers() passed.
void write_request_head(const HeadFacts& facts, std::string& out);

// The task's own Host header, which says where an App Engine task goes; empty: it has none.
std::string_view host_header(const PushRequestView& request);

}  // namespace deferd
