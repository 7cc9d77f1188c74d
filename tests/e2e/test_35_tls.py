"""TLS at the front door: what is spoken, what is refused, and that nothing is lost at its end."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import unittest

from harness import SLOW, Closed, Connection, GatewayCase, Stream, chat, make_certificate, text_of

FLOWING = "fast:first=10,token=40"
SILENT = "fast:first=30000"


class TlsCase(GatewayCase):
    @classmethod
    def configure(cls, config):
        cls.cert, cls.key = make_certificate(cls.directory, "first")
        config.doc["tls"] = {"cert": cls.cert, "key": cls.key}
        config.model("fast")
        config.model("flowing", id=FLOWING)
        config.model("silent", id=SILENT)

    @classmethod
    def context(cls, cert=None):
        context = ssl.create_default_context(cafile=cert or cls.cert)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    @classmethod
    def connect(cls, **options):
        return Connection(cls.gateway.port, context=cls.context(), **options)

    @classmethod
    def post(cls, path, body, headers=()):
        with cls.connect() as c:
            return c.call("POST", path, body, headers)


class SpeechTest(TlsCase):
    def test_json_and_stream(self):
        self.assertEqual(self.chat().json["choices"][0]["message"]["content"], self.canonical)
        self.assert_whole_stream(self.streamed())

    def test_version_cipher_and_protocol(self):
        with self.connect() as c:
            self.assertIn(c.socket.version(), ("TLSv1.2", "TLSv1.3"))
            self.assertEqual(c.socket.selected_alpn_protocol(), "http/1.1")
            cipher = c.socket.cipher()[0]
            self.assertTrue("GCM" in cipher or "CHACHA20" in cipher, cipher)

    def test_weak_ones_are_refused(self):
        for ciphers in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"):
            context = self.context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers + ":@SECLEVEL=0")
            with self.subTest(ciphers), self.assertRaises(OSError):
                Connection(self.gateway.port, context=context).close()

    def test_old_versions_are_refused(self):
        context = self.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(OSError):
            Connection(self.gateway.port, context=context).close()

    def test_a_session_is_taken_up_again(self):
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with Connection(self.gateway.port, context=context) as c:
            self.assert_alive(c)
            session = c.socket.session
        raw = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as again:
            self.assertTrue(again.session_reused)

    def test_last_byte_before_the_close(self):
        with self.connect() as c:
            stream = c.stream("/v1/chat/completions", chat(stream=True), [("Connection", "close")])
            stream.read()
            self.assert_whole_stream(stream)
            self.assertTrue(c.is_closed_by_peer())

    def test_the_end_is_announced(self):
        context = self.context()
        raw = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10 * SLOW)
        s = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
        with s:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            data = b""
            while True:
                piece = s.recv(65536)  # raises where the connection ends without close_notify
                if not piece:
                    break
                data += piece
        self.assertTrue(data.startswith(b"HTTP/1.1 200"))

    def test_big_body_and_small_writes(self):
        image = "data:image/png;base64," + "A" * (3 << 20)
        self.assertEqual(self.chat(text=image).status, 200)
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        with self.connect() as c:
            for i in range(len(request)):
                c.send(request[i : i + 1])  # a record each
            self.assertEqual(c.response("GET").status, 200)

    def test_cancel(self):
        for model, name in (("silent", SILENT), ("flowing", FLOWING)):
            for how in (Connection.close, Connection.reset):
                before = self.sim.stats(name)["cancelled"]
                c = self.connect()
                c.request("POST", "/v1/chat/completions", chat(model, stream=True))
                self.eventually(lambda: self.sim.stats(name)["in_flight"] == 1, "asked")
                left = time.monotonic()
                how(c)
                self.eventually(lambda: self.sim.stats(name)["cancelled"] == before + 1, "cancelled")
                self.assertLess(self.sim.stats()["last_cancel_us"] / 1e6 - left, 0.15 * SLOW)


class BadHandshakeTest(TlsCase):
    @classmethod
    def configure(cls, config):
        super().configure(config)
        config.doc["timeouts"] = {"handshake": "400ms"}

    def raw(self):
        s = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10 * SLOW)
        self.addCleanup(s.close)
        return s

    def read_to_the_end(self, s):
        data = b""
        try:
            while True:
                piece = s.recv(65536)
                if not piece:
                    return data
                data += piece
        except ConnectionError:
            return data

    def test_plain_http(self):
        s = self.raw()
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertNotIn(b"200 OK", self.read_to_the_end(s))

    def test_silence(self):
        start = time.monotonic()
        self.assertEqual(self.read_to_the_end(self.raw()), b"")
        self.assertLess(time.monotonic() - start, 5 * SLOW)

    def test_half_a_hello(self):
        s = self.raw()
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xab" * 20)
        self.read_to_the_end(s)

    def test_all_of_it_at_once_beside_a_stream(self):
        with self.connect() as c:
            stream = self.open_stream("flowing", connection=c)
            stream.content()
            many = [self.raw() for _ in range(100)]
            for i, s in enumerate(many):
                s.sendall(b"\x16\x03\x01\x02\x00\x01"[: i % 7] or b"GET / HTTP/1.1\r\n\r\n")
            stream.read()
            self.assert_whole_stream(stream)
            for s in many:
                self.read_to_the_end(s)
        self.eventually(lambda: self.gateway.metrics()["sluice_connections_handshaking"] == 0, "none left")


class ReloadTest(TlsCase):
    def served(self):
        """The name in the certificate that a new connection gets."""
        pem = ssl.get_server_certificate(("127.0.0.1", self.gateway.port), timeout=10)
        path = os.path.join(self.directory, "served.pem")
        with open(path, "w", encoding="ascii") as f:
            f.write(pem)
        done = subprocess.run(["openssl", "x509", "-noout", "-subject", "-in", path],
                              capture_output=True, check=True)
        return done.stdout.decode().split("=")[-1].strip()

    def days_left(self):
        expiry = self.gateway.metrics()["sluice_certificate_expiry_timestamp_seconds"]
        return (expiry - time.time()) / 86400

    def reload(self, result):
        name = 'sluice_reloads_total{result="%s"}' % result
        before = self.gateway.metrics()[name]
        self.gateway.signal(signal.SIGHUP)
        self.eventually(lambda: self.gateway.metrics()[name] == before + 1, "reloaded")

    def test_new_certificate_without_dropping_a_stream(self):
        shutil.copy(self.cert, self.cert + ".old")
        with self.connect() as c:
            stream = self.open_stream("flowing", connection=c)
            stream.content()
            self.assertEqual(self.served(), "first")
            self.assertLess(self.days_left(), 3)
            new = make_certificate(self.directory, "second", days=9)
            shutil.copy(new[0], self.cert)
            shutil.copy(new[1], self.key)
            self.reload("ok")
            self.assertEqual(self.served(), "second")
            stream.read()
            self.assert_whole_stream(stream)
            self.assert_alive(c)
        self.assertGreater(self.days_left(), 8)

        with open(self.cert, "w", encoding="ascii") as f:
            f.write("garbage\n")
        self.reload("failed")
        self.assertEqual(self.served(), "second")
        self.assertGreater(self.days_left(), 8)
        shutil.copy(new[0], self.cert)


class SlowReaderTest(TlsCase):
    TOKENS = 30000

    @classmethod
    def configure(cls, config):
        super().configure(config)
        config.model("flood", id="fast:tokens=%d" % cls.TOKENS)

    def test_nothing_is_lost_over_tls(self):
        c = self.connect(receive_buffer=4096)
        self.addCleanup(c.close)
        c.request("POST", "/v1/chat/completions", chat("flood", stream=True))
        name = 'sluice_upstream_in_flight{upstream="%s"}' % self.config.doc["models"][-1]["upstream"]
        self.eventually(lambda: self.gateway.metrics()[name] == 1, "it flows")
        stream = Stream(c, c.head())
        stream.read()
        self.assertEqual(stream.end, "clean")
        self.assertEqual(len(text_of(stream.events).split()), self.TOKENS)

    def test_leaving_while_it_is_paused(self):
        before = self.sim.stats("fast:tokens=%d" % self.TOKENS)["in_flight"]
        c = self.connect(receive_buffer=4096)
        c.request("POST", "/v1/chat/completions", chat("flood", stream=True))
        try:
            c.head()
        except Closed:
            self.fail("no head")
        c.reset()
        self.eventually(
            lambda: self.sim.stats("fast:tokens=%d" % self.TOKENS)["in_flight"] == before, "cancelled")


if __name__ == "__main__":
    unittest.main()
