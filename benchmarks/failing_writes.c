/* Let writes into one folder fail: preloaded before the C library, as LD_PRELOAD. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    long seen;
    long after;
    int error;
    char folder[4096];
} *state; /* shared with processes that are forked, so that their writes are counted too */

__attribute__((constructor)) static void make_state(void)
{
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* From the write number `after` on, counted from 0, all fail with `error`; a negative number lets all pass. */
void fail_writes(const char *folder, long after, int error)
{
    state->seen = 0;
    state->after = after;
    state->error = error;
    strncpy(state->folder, folder, sizeof state->folder - 1);
}

long writes_seen(void)
{
    return state->seen;
}

static int fails(int handle)
{
    char link[64], path[4096];
    ssize_t length;

    if (!state || !state->folder[0])
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (strncmp(path, state->folder, strlen(state->folder)))
        return 0;
    long number = __sync_fetch_and_add(&state->seen, 1);
    if (state->after < 0 || number < state->after)
        return 0;
    errno = state->error;
    return 1;
}

#define PASS(name, type, ...)                                   \
    static type real;                                           \
    if (!real)                                                  \
        real = (type)dlsym(RTLD_NEXT, name);                    \
    return fails(handle) ? -1 : real(handle, __VA_ARGS__)

ssize_t write(int handle, const void *data, size_t size)
{
    typedef ssize_t (*call)(int, const void *, size_t);
    PASS("write", call, data, size);
}

ssize_t pwrite(int handle, const void *data, size_t size, off_t offset)
{
    typedef ssize_t (*call)(int, const void *, size_t, off_t);
    PASS("pwrite", call, data, size, offset);
}

ssize_t pwrite64(int handle, const void *data, size_t size, off64_t offset)
{
    typedef ssize_t (*call)(int, const void *, size_t, off64_t);
    PASS("pwrite64", call, data, size, offset);
}

ssize_t writev(int handle, const struct iovec *parts, int count)
{
    typedef ssize_t (*call)(int, const struct iovec *, int);
    PASS("writev", call, parts, count);
}

int fsync(int handle)
{
    typedef int (*call)(int);
    static call real;
    if (!real)
        real = (call)dlsym(RTLD_NEXT, "fsync");
    return fails(handle) ? -1 : real(handle);
}
