"""HTTP over a raw socket, strict: what a test sends goes out byte for byte, and a reply that is not
well framed is an error. Replies can be read as a whole or as a stream of events with arrival times."""

import json
import os
import socket
import time

# Programs under valgrind or a sanitizer are slower by far.
SLOW = float(os.environ.get("SLUICE_E2E_SLOW", "1"))
TIMEOUT = 20 * SLOW


class Closed(Exception):
    """The peer closed or reset before what was awaited had come."""


class Late(Exception):
    """The deadline ran out."""


class Malformed(Exception):
    """Not HTTP, or not an event stream, as it must be."""


class Response:
    def __init__(self, version, status, reason, headers):
        self.version, self.status, self.reason = version, status, reason
        self.headers = headers  # in order, as sent
        self.body = b""
        self.time = time.monotonic()  # when the head was whole

    def values(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def __getitem__(self, name):
        values = self.values(name)
        if len(values) > 1:
            raise Malformed("header %s came %d times" % (name, len(values)))
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def keeps_alive(self):
        return (self["connection"] or "").lower() != "close"


def exact_json(text):
    """A document whose numbers are their spelling, so that 1.0 and 1e0 differ."""
    return json.loads(text, parse_int=str, parse_float=str)


class Event:
    """One block of an event stream: a data line or a comment."""

    def __init__(self, raw, when):
        self.raw, self.time = raw, when
        self.data = self.comment = None
        text = raw.decode("utf-8")
        if "\n" in text or "\r" in text:
            raise Malformed("an event of several lines: %r" % text)
        if text.startswith("data: "):
            self.data = text[6:]
        elif text.startswith(":"):
            self.comment = text[1:].strip()
        else:
            raise Malformed("neither data nor comment: %r" % text)

    @property
    def is_done(self):
        return self.data == "[DONE]"

    @property
    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return "Event(%r)" % self.raw


class Connection:
    """`address` is a port on 127.0.0.1 or the path of a unix socket."""

    def __init__(self, address, context=None, receive_buffer=None, timeout=TIMEOUT):
        self.timeout = timeout
        self.buffer = bytearray()
        self.eof = False
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket(socket.AF_INET)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            address = ("127.0.0.1", address)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes so that the peer gets a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    # ---- sending ----

    def send(self, data):
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def request(self, method, path, body=None, headers=(), version="1.1"):
        """`headers` replace the ones made here: ("Host", None) leaves Host out."""
        given = {name.lower() for name, _ in headers}
        lines = ["%s %s HTTP/%s" % (method, path, version)]
        if "host" not in given:
            lines.append("Host: localhost")
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            if "content-type" not in given:
                lines.append("Content-Type: application/json")
            if "content-length" not in given and "transfer-encoding" not in given:
                lines.append("Content-Length: %d" % len(body))
        lines += ["%s: %s" % (n, v) for n, v in headers if v is not None]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    # ---- receiving ----

    def fill(self, deadline):
        """Waits for more bytes; False at the end."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late("nothing came in time; so far: %r" % bytes(self.buffer[-200:]))
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise Late("nothing came in time; so far: %r" % bytes(self.buffer[-200:])) from None
        except ConnectionError:
            data = b""
        if not data:
            self.eof = True
            return False
        self.buffer += data
        return True

    def take(self, n, deadline):
        while len(self.buffer) < n:
            if not self.fill(deadline):
                raise Closed("closed with %d of %d bytes" % (len(self.buffer), n))
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def take_line(self, deadline, most=65536):
        while b"\r\n" not in self.buffer:
            if len(self.buffer) > most:
                raise Malformed("an endless line")
            if not self.fill(deadline):
                raise Closed("closed within a line: %r" % bytes(self.buffer))
        line, _, rest = bytes(self.buffer).partition(b"\r\n")
        self.buffer[:] = rest
        return line

    def head(self, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        first = self.take_line(deadline).decode("latin-1").split(" ", 2)
        if len(first) != 3 or first[0] not in ("HTTP/1.1", "HTTP/1.0") or not first[1].isdigit():
            raise Malformed("status line %r" % first)
        headers = []
        while True:
            line = self.take_line(deadline).decode("latin-1")
            if not line:
                break
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise Malformed("header line %r" % line)
            headers.append((name, value.strip()))
        return Response(first[0], int(first[1]), first[2], headers)

    def response(self, method="POST", timeout=None):
        """A whole reply; interim ones are skipped."""
        deadline = time.monotonic() + (timeout or self.timeout)
        r = self.head(timeout)
        while 100 <= r.status < 200:
            r = self.head(timeout)
        r.body = b"".join(piece for piece, _ in self.body(r, method, deadline))
        return r

    def body(self, r, method, deadline=None):
        """The body's pieces as they come, with their times. Raises Closed where it is cut."""
        deadline = deadline or time.monotonic() + self.timeout
        if method == "HEAD" or r.status in (204, 304):
            return
        length, coding = r["content-length"], r["transfer-encoding"]
        if length is not None and coding is not None:
            raise Malformed("both a length and a coding")
        if coding is not None:
            if coding != "chunked":
                raise Malformed("coding %r" % coding)
            yield from self.chunks(deadline)
        elif length is not None:
            yield self.take(int(length), deadline), time.monotonic()
        else:
            if r.keeps_alive and r.version == "HTTP/1.1":
                raise Malformed("no framing and no close")
            while self.buffer or self.fill(deadline):
                piece = bytes(self.buffer)
                self.buffer.clear()
                yield piece, time.monotonic()

    def chunks(self, deadline):
        while True:
            size = self.take_line(deadline)
            if not size or set(size) - set(b"0123456789abcdefABCDEF"):
                raise Malformed("chunk size %r" % size)
            data = self.take(int(size, 16), deadline)
            if self.take(2, deadline) != b"\r\n":
                raise Malformed("no line end after a chunk")
            if not data:
                return
            yield data, time.monotonic()

    def is_closed_by_peer(self, timeout=None):
        """Waits for the end; False when bytes come instead."""
        if self.buffer:
            return False
        try:
            return not self.fill(time.monotonic() + (timeout or self.timeout))
        except Late:
            return False

    def call(self, method, path, body=None, headers=(), version="1.1"):
        self.request(method, path, body, headers, version)
        return self.response(method)

    def stream(self, path, body, headers=(), version="1.1"):
        self.request("POST", path, body, headers, version)
        return Stream(self, self.head())


class Stream:
    """The events of a reply whose head has come. After the last one `end` is "clean" (the framing
    said so) or "cut"; `rest` holds bytes of an unfinished event."""

    def __init__(self, connection, head, unpack=None, timeout=None):
        self.connection, self.head = connection, head
        self.events = []
        self.end = None
        self.rest = b""
        self.deadline = time.monotonic() + (timeout or connection.timeout)
        self.unpack = unpack or (lambda piece: piece)
        self.pieces = connection.body(head, "POST", self.deadline)

    def __iter__(self):
        return self

    def __next__(self):
        while b"\n\n" not in self.rest:
            if self.end:
                raise StopIteration
            try:
                piece, self.when = next(self.pieces)
                self.rest += self.unpack(piece)
            except StopIteration:
                self.end = "clean"
            except Closed:
                self.end = "cut"
        raw, _, self.rest = self.rest.partition(b"\n\n")
        event = Event(raw, self.when)
        self.events.append(event)
        return event

    def read(self):
        """To the end; all events, those that were read before too."""
        for _ in self:
            pass
        return self.events

    def until(self, wanted):
        """Reads on until an event for which wanted(event) is true."""
        for event in self:
            if wanted(event):
                return event
        raise Closed("the stream ended (%s) without it: %r" % (self.end, self.events[-3:]))

    def content(self):
        """Reads on to an event with text in it."""
        return self.until(lambda e: text_of([e]) != "")

    @property
    def chunks(self):
        """The documents of all events but [DONE]."""
        return [e.json for e in self.events if e.data is not None and not e.is_done]


def text_of(events, index=0):
    """The text that the events of a chat or completion make for one choice."""
    text = ""
    for e in events:
        if e.data is None or e.is_done:
            continue
        for choice in e.json.get("choices", []):
            if choice["index"] == index:
                piece = choice["delta"].get("content") if "delta" in choice else choice.get("text")
                text += piece or ""
    return text
