"""Metrics, the admin listener, and the access log."""

import os
import re
import time
import unittest

from harness import GatewayCase, TcpAdminCase, log_pairs


def parse_exposition(test, text):
    """The exposition format, strictly: HELP and TYPE before samples, no sample twice."""
    samples, kind, family = {}, None, None
    test.assertTrue(text.endswith("\n"))
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            test.assertEqual(name, family)
            test.assertIn(kind, ("counter", "gauge", "histogram"))
            continue
        found = re.fullmatch(
            r'([a-z_]+)(\{[a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*\})? (\S+)', line)
        test.assertTrue(found, line)
        test.assertTrue(found[1].startswith(family), line)
        name = found[1] + (found[2] or "")
        test.assertNotIn(name, samples)
        samples[name] = float(found[3])
    return samples


class MetricsTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.doc["workers"] = 2
        config.model("fast", price={"input": 1000, "output": 1000})
        config.model("slow", id="fast:first=10,token=50,tokens=40")

    def test_format(self):
        self.streamed()
        r = self.gateway.admin_call("GET", "/metrics")
        self.assertTrue(r["content-type"].startswith("text/plain; version=0.0.4"))
        samples = parse_exposition(self, r.text)
        for name in ("process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total",
                     "process_start_time_seconds"):
            self.assertGreater(samples[name], 0, name)
        self.assertTrue([n for n in samples if n.startswith('sluice_build_info{version="')])
        self.assertEqual(samples["sluice_fronts"], 2)
        self.assertLess(abs(samples["process_start_time_seconds"] - time.time()), 3600)

    def test_counts_what_happened(self):
        before = self.gateway.metrics()
        for _ in range(3):
            self.streamed()
        self.assertEqual(self.chat("nothing").status, 404)
        after = self.gateway.metrics()

        def grown(name):
            return after[name] - before[name]

        self.assertEqual(grown('sluice_requests_total{endpoint="chat",code="2xx"}'), 3)
        self.assertEqual(grown('sluice_requests_total{endpoint="chat",code="4xx"}'), 1)
        self.assertEqual(grown('sluice_requests_ended_total{endpoint="chat",reason="complete"}'), 3)
        self.assertEqual(grown('sluice_requests_ended_total{endpoint="chat",reason="not_found"}'), 1)
        self.assertEqual(grown('sluice_time_to_first_content_seconds_count{endpoint="chat"}'), 3)
        self.assertEqual(grown('sluice_request_duration_seconds_count{endpoint="chat"}'), 4)
        self.assertEqual(grown("sluice_upstream_attempts_total"), 3)
        self.assertEqual(grown("sluice_completion_tokens_total"), 180)
        tokens = 180 + grown("sluice_prompt_tokens_total")
        self.assertAlmostEqual(grown("sluice_cost_usd_total"), tokens * 1000 / 1e6, places=6)

    def test_gauges(self):
        upstream = self.config.doc["models"][1]["upstream"]
        streams = self.open_streams(4, "slow")
        for s in streams:
            s.content()
        metrics = self.gateway.metrics()
        self.assertEqual(metrics["sluice_streams_open"], 4)
        self.assertEqual(metrics["sluice_requests_open"], 4)
        self.assertEqual(metrics["sluice_connections_open"], 4)
        self.assertEqual(metrics["sluice_upstream_transfers_open"], 4)
        self.assertEqual(metrics['sluice_upstream_in_flight{upstream="%s"}' % upstream], 4)
        self.assertEqual(metrics['sluice_upstream_max_in_flight{upstream="%s"}' % upstream], 512)
        self.doCleanups()
        self.eventually(lambda: self.gateway.metrics()["sluice_connections_open"] == 0, "all close")
        metrics = self.gateway.metrics()
        self.assertEqual(metrics["sluice_streams_open"], 0)
        self.assertEqual(metrics["sluice_upstream_transfers_open"], 0)

    def test_loop_lag_is_measured(self):
        self.eventually(
            lambda: self.gateway.metrics()["sluice_event_loop_lag_seconds_count"] > 0, "it is measured")

    def test_status(self):
        r = self.gateway.admin_call("GET", "/admin/status")
        self.assertEqual(r.status, 200)
        self.assertIn("version", r.json)

    def test_unknown_path(self):
        self.assert_error(self.gateway.admin_call("GET", "/v1/models"), 404)

    def test_socket_is_the_owners(self):
        self.assertEqual(os.stat(self.gateway.admin).st_mode & 0o777, 0o600)


class AdminByTcpTest(TcpAdminCase):
    def test_reading_is_free(self):
        self.assertEqual(self.ask("GET", "/metrics").status, 200)

    def test_changes_need_the_token(self):
        without = self.ask("POST", "/admin/reload")
        self.assert_error(without, 401)
        self.assertIn(b"changes over TCP need", without.body)
        wrong = self.ask("POST", "/admin/reload", token="wrong")
        self.assert_error(wrong, 401)
        self.assertIn(b"the token is not the one", wrong.body)
        self.assertEqual(self.ask("POST", "/admin/reload", token=self.TOKEN).status, 200)

    def test_host_must_be_ours(self):
        for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:%d" % self.admin_port):
            self.assert_error(self.ask("GET", "/metrics", host=host), 403)
        # What a page with a name of its own cannot send.
        for host in ("localhost:%d" % self.admin_port, "127.0.0.1", "10.0.0.1:99", "[::1]:5"):
            self.assertEqual(self.ask("GET", "/metrics", host=host).status, 200, host)

    def test_no_cors(self):
        r = self.ask("GET", "/metrics", headers=[("Origin", "https://any.example")])
        self.assertIsNone(r["access-control-allow-origin"])


class AccessLogTest(GatewayCase):
    @classmethod
    def configure(cls, config):
        config.model("fast", params=5, price={"input": 1, "output": 2})
        config.model("paced", id="fast:first=100,token=20,tokens=6")

    def test_a_stream(self):
        stream = self.streamed("paced")
        line = self.gateway.access(stream.head["x-request-id"])
        wanted = {"level": "info", "event": "request", "endpoint": "chat", "model": "paced",
                  "status": "200", "stream": "true", "reason": "complete", "attempts": "1",
                  "fallbacks": "0", "calls": "1", "completion_tokens": "6", "upstream_status": "200",
                  "upstream_model": "paced", "heartbeats": "0", "pauses": "0"}
        self.assertEqual({k: line.get(k) for k in wanted}, wanted)
        self.assertRegex(line["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        order = ["body_ms", "route_ms", "slot_ms", "first_byte_ms", "first_content_ms", "total_ms"]
        times = [float(line[k]) for k in order]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(times[4], 95)
        self.assertGreaterEqual(times[5], 190)
        self.assertGreater(int(line["bytes_in"]), 50)
        self.assertGreater(int(line["bytes_out"]), 500)

    def test_graph_and_task_of_auto(self):
        r = self.chat("auto")
        line = self.gateway.access(r["x-request-id"])
        self.assertEqual((line["task"], line["graph"]), ("default", r["x-sluice-graph"]))
        usage = r.json["usage"]
        cost = (usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6
        self.assertAlmostEqual(float(line["usd"]), cost, places=8)

    def test_refusals_are_logged(self):
        for r, reason in ((self.chat("nothing"), "not_found"), (self.get("/nothing"), "not_found"),
                          (self.post("/v1/chat/completions", "{"), "bad_request")):
            line = self.gateway.access(r["x-request-id"])
            self.assertEqual((line["reason"], line["status"]), (reason, str(r.status)))

    def test_bytes_that_are_no_request(self):
        with self.connect() as c:
            c.send(b"\x16\x03\x01nonsense\r\n\r\n")
            r = c.response()
        line = self.gateway.access(r["x-request-id"])
        self.assertEqual(line["reason"], "bad_request")

    def test_no_line_can_be_forged(self):
        evil = 'x" status=200\nlevel=error event="root'
        r = self.chat(evil)
        self.assertEqual(self.gateway.access(r["x-request-id"])["model"], evil[:63])
        for line in self.gateway.output().rstrip("\n").split("\n"):
            self.assertNotIn("root", log_pairs(line).get("event", ""))


if __name__ == "__main__":
    unittest.main()
