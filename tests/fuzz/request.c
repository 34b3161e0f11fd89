/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a request to a worker: a whole frame, or the parameters of a method that the first
 * byte names. What takes longer than its deadline says so.
 */
#include "tests/fuzz/fuzz_index.h"

#include "ipc/loop.h"
#include "worker/query.h"

#define DEADLINE_NS UINT64_C(100000000)

static struct query_engine *make_engine(void)
{
    static struct index_view view;
    struct query_engine *engine;
    struct fault why;
    size_t bytes;
    char *image = fuzz_image(BUILD_DUMP, false, &bytes);
    int fd = memfd_create("index", MFD_CLOEXEC);
    MUST(fd >= 0 && pwrite(fd, image, bytes, 0) == (ssize_t)bytes);
    MUST(index_bind(&view, (struct image_header *)image, "index", &why) == 0);
    MUST(query_engine_create(&engine, &view, 1, fd, &why) == 0);
    return engine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"lookup", "prefix", "page",   "links",   "backlinks",
                                          "rank",   "top",    "random", "related", "path",
                                          "export", "search", "explain"};
    static struct query_engine *engine;
    if (!engine)
        engine = make_engine();

    struct wire_out frame, out;
    struct fuzz_in in = {data, data + size};
    unsigned method = (unsigned)fuzz_uint(&in, 1) % 16;
    wire_out_init(&frame);
    if (method < sizeof methods / sizeof methods[0])
        rpc_request(&frame, 42, methods[method]);
    wire_raw(&frame, in.at, fuzz_left(&in));
    char *bytes = fuzz_copy(frame.data, frame.bytes);
    struct rpc_request request;
    enum rpc_error error = rpc_parse_request(bytes, frame.bytes, &request);
    MUST(error == RPC_OK || error == RPC_BAD_REQUEST);
    if (error == RPC_OK && request.has_msgid) {
        wire_out_init(&out);
        query_run(engine, &request, loop_now_ns() + DEADLINE_NS, &out);
        MUST(!out.failed);
        fuzz_check_answer(out.data, out.bytes, request.msgid);
        wire_out_fini(&out);
    }
    free(bytes);
    wire_out_fini(&frame);
    return 0;
}
