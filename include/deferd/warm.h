/* Warm handlers: a program that is loaded once, and of which `deferd-worker --warm` runs a copy in
 * a sandbox of its own for each task. docs/reference/warm-handlers.md says what it must keep to.
 *
 * C, and nothing but the C library: for C++, and for other languages by their foreign functions
 * (the worker tells the library's path in DEFERD_WARM_LIBRARY). Not for several threads at once.
 */
#ifndef DEFERD_WARM_H
#define DEFERD_WARM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The task of this process. All of it is valid until the process ends. */
struct deferd_warm_task {
  const char* queue;   /* as the worker was given it */
  const char* id;      /* 20 digits */
  const char* name;    /* "" when it has none */
  uint64_t attempt;    /* 1 is the first */
  int keep_result;     /* 0: nobody will read the result */
  const void* payload; /* payload_size bytes, and a zero behind them */
  size_t payload_size;
};

/* Waits for tasks in the loaded program, and forks for each of them.
 *
 *  1  in the new process, inside the task's sandbox: `*task` is what is to be done. Do it and end;
 *     exit code 0 is success.
 *  0  in the loaded program: the worker needs it no more. End.
 * -1  with errno: ENOTCONN, not started by a worker with --warm; EPROTO, the worker and this
 *     library are of different releases; EINVAL, called in the process of a task.
 */
int deferd_warm_next(struct deferd_warm_task* task);

/* What the result on stdout is, like "application/json"; at most 200 bytes. Without it the worker
 * looks whether it is JSON or text. Last call counts. 0, or -1 with errno. */
int deferd_warm_content_type(const char* type);

/* Why the task fails: kept with its attempt; what is beyond 4 KiB is cut off. Last call counts.
 * The exit code alone says whether it failed. 0, or -1 with errno. */
int deferd_warm_error(const char* text, size_t size);

/* When the task fails and is tried again: after how long, in place of the queue's backoff; at most
 * 3650 days. Last call counts. 0, or -1 with errno. */
int deferd_warm_retry_after(uint64_t milliseconds);

#ifdef __cplusplus
}
#endif

#endif
