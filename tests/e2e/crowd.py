"""A crowd of bad clients in a process of its own, so that it does not share a lock with the client that
measures: `crowd.py PORT SLOW IDLE HEADS` connects over TLS, prints "ready" when all are in, then trickles
(slow readers read a little, heads grow by a byte) until its standard input closes."""

import json
import os
import random
import resource
import select
import socket
import ssl
import sys

TICK_S = 0.002
READ_BYTES = 1024
EACH_TICK = 2  # readers and heads that move in a tick: a thousand a second, and not in step


def connect(context, port):
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", port))
    return context.wrap_socket(raw, server_hostname="localhost")


def main():
    port, slow_count, idle_count, head_count = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    body = json.dumps({
        "model": "flood", "stream": True, "messages": [{"role": "user", "content": "much, please"}],
    })
    request = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body), body)
    idle = [connect(context, port) for _ in range(idle_count)]
    heads = [connect(context, port) for _ in range(head_count)]
    slow = [connect(context, port) for _ in range(slow_count)]
    for s in slow:
        s.sendall(request.encode())
    for s in heads:
        s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Long: ")
    print("ready", flush=True)
    chance = random.Random(5)
    while not select.select([0], [], [], TICK_S)[0]:
        for s in chance.sample(heads, min(EACH_TICK, len(heads))):
            s.sendall(b"a")
        for s in chance.sample(slow, min(EACH_TICK, len(slow))):
            s.setblocking(False)
            try:
                s.recv(READ_BYTES)
            except (ssl.SSLWantReadError, BlockingIOError):
                pass
            s.setblocking(True)
    os._exit(0)  # the kernel closes all at once: one more thing for the gateway to bear


if __name__ == "__main__":
    main()
