/* SPDX-License-Identifier: MIT */
#include "ipc/msg.h"

void msg_write(struct wire_out *out, const struct msg *msg)
{
    switch (msg->kind) {
    case MSG_REQUEST:
        wire_array(out, 4);
        wire_uint(out, msg->kind);
        wire_uint(out, msg->ticket);
        wire_uint(out, msg->deadline_ns);
        wire_bin(out, msg->frame, msg->frame_bytes);
        return;
    case MSG_RETIRE:
    case MSG_CANCEL:
        wire_array(out, 1);
        wire_uint(out, msg->kind);
        return;
    case MSG_READY:
        wire_array(out, 3);
        wire_uint(out, msg->kind);
        wire_uint(out, msg->pid);
        wire_uint(out, msg->sandbox);
        return;
    case MSG_ANSWER:
        wire_array(out, 4);
        wire_uint(out, msg->kind);
        wire_uint(out, msg->ticket);
        wire_bool(out, msg->more);
        wire_bin(out, msg->frame, msg->frame_bytes);
        return;
    case MSG_PROGRESS:
        wire_array(out, 3);
        wire_uint(out, msg->kind);
        wire_uint(out, msg->iteration);
        wire_double(out, msg->change);
        return;
    case MSG_DONE:
        wire_array(out, 8);
        wire_uint(out, msg->kind);
        wire_uint(out, msg->iteration);
        wire_double(out, msg->change);
        wire_bool(out, msg->converged);
        wire_uint(out, msg->run_ns);
        wire_uint(out, msg->wait_ns);
        wire_uint(out, msg->exchange_ns);
        wire_uint(out, msg->exchanged_bytes);
        wire_uint(out, msg->wakeups);
        return;
    case MSG_FAILED:
        wire_array(out, 2);
        wire_uint(out, msg->kind);
        wire_str(out, msg->text, msg->text_length);
        return;
    case MSG_PARTIAL:
        break;
    }
    out->failed = true;
}

size_t msg_answer_open(struct wire_out *out, uint64_t ticket)
{
    wire_array(out, 4);
    wire_uint(out, MSG_ANSWER);
    wire_uint(out, ticket);
    wire_bool(out, false);
    return wire_bin_open(out);
}

void msg_answer_close(struct wire_out *out, size_t mark)
{
    wire_bin_close(out, mark);
}

bool msg_read(const void *data, size_t bytes, struct msg *msg)
{
    struct wire_in in = wire_in(data, bytes);
    uint32_t fields;
    uint64_t kind;
    if (!wire_get_array(&in, &fields) || !wire_get_uint(&in, &kind))
        return false;
    *msg = (struct msg){.kind = (enum msg_kind)kind};
    switch (kind) {
    case MSG_REQUEST:
        return fields == 4 && wire_get_uint(&in, &msg->ticket) &&
               wire_get_uint(&in, &msg->deadline_ns) &&
               wire_get_bin(&in, &msg->frame, &msg->frame_bytes);
    case MSG_RETIRE:
    case MSG_CANCEL:
        return fields == 1;
    case MSG_READY:
        return fields == 3 && wire_get_uint(&in, &msg->pid) && wire_get_uint(&in, &msg->sandbox);
    case MSG_ANSWER:
        return fields == 4 && wire_get_uint(&in, &msg->ticket) && wire_get_bool(&in, &msg->more) &&
               wire_get_bin(&in, &msg->frame, &msg->frame_bytes);
    case MSG_PROGRESS:
        return fields == 3 && wire_get_uint(&in, &msg->iteration) &&
               wire_get_double(&in, &msg->change);
    case MSG_DONE:
        return fields == 8 && wire_get_uint(&in, &msg->iteration) &&
               wire_get_double(&in, &msg->change) && wire_get_bool(&in, &msg->converged) &&
               wire_get_uint(&in, &msg->run_ns) && wire_get_uint(&in, &msg->wait_ns) &&
               wire_get_uint(&in, &msg->exchange_ns) && wire_get_uint(&in, &msg->exchanged_bytes) &&
               wire_get_uint(&in, &msg->wakeups);
    case MSG_FAILED:
        return fields == 2 && wire_get_str(&in, &msg->text, &msg->text_length);
    default:
        return false;
    }
}
