"""Memory of a process that has just started, and with many streams open; and how long starting takes."""

import contextlib
import socket
import ssl
import statistics
import time

from points import request
from process import OTHER_CPU, Failed, memory, on_cpu

HELD_EVENTS = 21  # what a held stream sends before it is silent


def ask(sock, kind):
    body = request(kind)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    sock.sendall(head.encode() + body)


def read_until(sock, enough):
    got = b""
    while not enough(got):
        data = sock.recv(65536)
        if not data:
            raise Failed("a held stream ended: %r" % got[-300:])
        got += data
    if not got.startswith(b"HTTP/1.1 200 "):
        raise Failed("a held stream was refused: %r" % got[:300])


def open_socket(port, context):
    sock = socket.create_connection(("127.0.0.1", port), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(sock) if context else sock


def client_context():
    # Its own certificate, on loopback: there is nobody to be protected from.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def open_streams(stack, port, count, context):
    """All of them have sent what they will send, and it was read."""
    sockets = []
    for _ in range(count):
        sock = stack.enter_context(open_socket(port, context))
        ask(sock, "held")
        sockets.append(sock)
    for sock in sockets:
        read_until(sock, lambda got: got.count(b"data: ") >= HELD_EVENTS)


def per_stream(proxy_class, directory, upstream, streams, tls=None):
    """Of a fresh process that has answered one request: bytes idle; more for each open stream, and when
    as many are opened once more; and what remains a second after all are closed. The second time
    tells more about a process that lives long: buffers that were used once have all their pages."""
    proxy = proxy_class(directory, upstream.port, tls)
    context = client_context() if tls else None
    port = proxy.tls_port if tls else proxy.port
    try:
        with contextlib.ExitStack() as stack:
            open_streams(stack, port, 1, context)
        time.sleep(0.3)
        idle = memory(proxy.pid)
        full = []
        for _ in range(2):
            with contextlib.ExitStack() as stack:
                open_streams(stack, port, streams, context)
                time.sleep(0.3)
                full.append(memory(proxy.pid))
            time.sleep(1)
        after = memory(proxy.pid)
    finally:
        proxy.stop()
    return {
        "streams": streams,
        "idle": idle,
        "per_stream": {key: (full[0][key] - idle[key]) / streams for key in idle},
        "per_stream_again": {key: (full[1][key] - idle[key]) / streams for key in idle},
        "after": after,
    }


# ---- cold start ----


def healthz(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return sock.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def start_once(proxy_class, directory, upstream):
    with on_cpu(OTHER_CPU):
        before = time.monotonic()
        proxy = proxy_class(directory, upstream.port, waits=False)
        try:
            while not healthz(proxy.port):
                proxy.child.check()
                if time.monotonic() - before > 20:
                    raise Failed(proxy.name + " does not serve /healthz")
            return (time.monotonic() - proxy.child.started) * 1e3
        finally:
            proxy.stop()


def cold_start_ms(proxy_class, directory, upstream, times):
    """From before the process is made to the first 200 from /healthz. The program is in the page
    cache: cold is the process, not the disk."""
    found = [start_once(proxy_class, directory, upstream) for _ in range(times)]
    return {"median": statistics.median(found), "min": min(found), "max": max(found)}
