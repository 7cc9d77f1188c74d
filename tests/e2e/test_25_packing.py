"""Large replies are packed only as far as it does not hold up others."""

import gzip
import json
import unittest

from harness import GatewayCase


class LargeReplyTest(GatewayCase):
    def vectors(self, count):
        return self.post("/v1/embeddings", {"model": "fast", "input": ["text %d" % i for i in range(count)],
                                            "dimensions": 1024}, [("Accept-Encoding", "gzip")])

    def test_a_large_one_is_packed_and_a_huge_one_is_left(self):
        few, many = self.vectors(10), self.vectors(200)
        self.assertEqual(few["content-encoding"], "gzip")
        self.assertEqual(len(json.loads(gzip.decompress(few.body))["data"]), 10)
        self.assertIsNone(many["content-encoding"])
        self.assertGreater(len(many.body), 1 << 20)
        self.assertEqual(len(many.json["data"]), 200)


if __name__ == "__main__":
    unittest.main()
