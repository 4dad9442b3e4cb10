// BufferTask's request, which is HTTP itself (CT-spec 9.11): the body as it came, and the headers.
#pragma once

#include <cloudtasks/http.pb.h>

#include "api/http/http.h"

namespace deferd::cloudtasks::rest {

// Left out are headers of the connection (hop-by-hop, Host, Content-Length, Expect), what shows who
// calls (Authorization), and Google's own (X-Goog-*, X-Google-*, X-CloudTasks-*, X-AppEngine-*, and
// those of its clients). A JSON body that is just {"body":{"contentType":...,"data":...}} is what
// it wraps.
void read_buffered(const HttpRequest& http, BufferTaskRequest& request);

}  // namespace deferd::cloudtasks::rest
