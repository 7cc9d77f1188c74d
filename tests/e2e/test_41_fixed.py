"""What a reload cannot change is kept and said; what it can change does change."""

import os
import signal
import unittest

from client import Connection
from harness import Gateway, GatewayCase, TcpAdminCase, make_certificate


class FixedTest(TcpAdminCase):
    def reload(self, document):
        self.gateway.write_config(document)
        r = self.ask("POST", "/admin/reload", token=self.TOKEN)
        self.assertEqual(r.status, 200, r.text)

    def changed(self, **members):
        return dict(self.config.doc, **members)

    def test_a_tcp_admin_stays_one(self):
        document = self.changed(admin="unix:" + os.path.join(self.directory, "other.sock"))
        del document["admin_token_env"]
        self.reload(document)
        self.gateway.say("event=needs_restart key=admin$")
        self.assert_error(self.ask("POST", "/admin/reload"), 401)
        self.assert_error(self.ask("GET", "/metrics", host="evil.example"), 403)
        # The token went with its key, so that the way back is a signal.
        self.gateway.write_config(self.config.doc)
        self.gateway.signal(signal.SIGHUP)
        self.eventually(
            lambda: self.ask("POST", "/admin/reload", token=self.TOKEN).status == 200, "back")

    def test_plain_stays_plain(self):
        cert, key = make_certificate(self.directory, "new")
        self.reload(self.changed(tls={"cert": cert, "key": key}))
        self.gateway.say("event=needs_restart key=tls$")
        self.assertEqual(self.chat().status, 200)
        self.reload(self.config.doc)

    def test_workers_and_data(self):
        self.reload(self.changed(workers=3, data=os.path.join(self.directory, "late")))
        self.gateway.say("event=needs_restart key=workers$")
        self.gateway.say("event=needs_restart key=data$")
        self.assertFalse(os.path.exists(os.path.join(self.directory, "late")))
        self.reload(self.config.doc)


class LevelTest(GatewayCase):
    def test_the_log_level_does_change(self):
        for level in ("error", "info"):
            self.gateway.write_config(dict(self.config.doc, log={"level": level}))
            self.assertEqual(self.gateway.admin_call("POST", "/admin/reload").status, 200)
        self.gateway.say("event=reloaded")  # the second; lines come in order
        self.assertEqual(self.gateway.output().count("event=reloaded"), 1)


class DataTest(GatewayCase):
    def test_the_directory_is_made(self):
        place = os.path.join(self.directory, "state")
        directory = os.path.join(self.directory, "second")
        os.mkdir(directory)
        document = dict(self.config.doc, data=place, admin="unix:" + os.path.join(directory, "admin.sock"))
        for _ in range(2):
            gateway = Gateway(directory, document)
            self.addCleanup(gateway.kill)
            self.assertEqual(os.stat(place).st_mode & 0o777, 0o700)
            self.assertEqual(os.stat(os.path.join(place, "key")).st_size, 32)
            gateway.stop()


class DroppedLinesTest(GatewayCase):
    """A log that nobody reads costs lines, never a client's time, and the page says how many."""

    def test_lost_lines_are_counted(self):
        directory = os.path.join(self.directory, "second")
        os.mkdir(directory)
        fifo = os.path.join(directory, "log")
        public = os.path.join(directory, "public.sock")
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        document = dict(self.config.doc, listen="unix:" + public, log={"file": fifo},
                        admin="unix:" + os.path.join(directory, "admin.sock"))
        gateway = Gateway(directory, document, wait=False)
        self.addCleanup(gateway.kill)
        self.eventually(lambda: os.path.exists(public), "it listens")
        self.assertEqual(gateway.metrics()["sluice_log_lines_dropped_total"], 0)
        with Connection(public) as c:
            for _ in range(120):
                c.send(50 * "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                for _ in range(50):
                    self.assertEqual(c.response("GET").status, 200)
        self.eventually(lambda: gateway.metrics()["sluice_log_lines_dropped_total"] > 0, "lines are lost")
        while True:  # so that the writer ends
            try:
                if not os.read(reader, 1 << 20):
                    break
            except BlockingIOError:
                if not gateway.is_running():
                    break
                gateway.signal(signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
