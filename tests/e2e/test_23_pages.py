"""What a web page of an allowed origin is told before it asks."""

import unittest

from harness import GatewayCase

# What the official client sends from a browser, besides the usual.
OFFICIAL = ("authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,"
            "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,"
            "x-stainless-runtime-version,x-stainless-timeout")


class PreflightTest(GatewayCase):
    page = "https://app.example"
    env = {"WEB_KEY": "web-key"}

    @classmethod
    def configure(cls, config):
        config.model("fast")
        config.doc["keys"] = [{"name": "web", "token_env": "WEB_KEY"}]
        config.doc["cors"] = [cls.page]

    def preflight(self, headers, origin=page):
        return self.gateway.call("OPTIONS", "/v1/chat/completions", None, [
            ("Origin", origin), ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", headers)])

    def test_the_official_clients_headers_are_allowed(self):
        r = self.preflight(OFFICIAL)
        self.assertEqual(r.status, 204)
        allowed = {name.strip() for name in r["access-control-allow-headers"].split(",")}
        self.assertEqual(allowed, set(OFFICIAL.split(",")))

    def test_what_is_no_list_of_names_is_not_repeated(self):
        for odd in ("x-a: b", "x-\"a\"", "x-a;b", "\u00e4".encode("latin-1").decode("latin-1")):
            self.assertIsNone(self.preflight(odd)["access-control-allow-headers"], odd)

    def test_other_pages_are_told_nothing(self):
        r = self.preflight(OFFICIAL, "https://evil.example")
        self.assertIsNone(r["access-control-allow-headers"])
        self.assertIsNone(r["access-control-allow-origin"])


if __name__ == "__main__":
    unittest.main()
