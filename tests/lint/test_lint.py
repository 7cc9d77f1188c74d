"""The checks checked: each rule must bite on a small tree that breaks it, and only there."""

import contextlib
import io
import os
import tempfile
import unittest

import bans
import layers
import source
import unused


class TreeCase(unittest.TestCase):
    def setUp(self):
        tree = tempfile.TemporaryDirectory()
        self.addCleanup(tree.cleanup)
        self.addCleanup(setattr, source, "ROOT", source.ROOT)
        source.ROOT = tree.name

    def write(self, path, text):
        path = os.path.join(source.ROOT, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def complaints(self, check, *args):
        report = source.Report("test")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            check(report, *args)
        return out.getvalue()


class Layers(TreeCase):
    def floor(self, path, text):
        self.write(path, text)
        return self.complaints(layers.check_floor, path)

    def test_arrow_to_the_left(self):
        self.assertIn("router/ may not know gateway/",
                      self.floor("router/a.c", '#include "gateway/conn.h"\n'))

    def test_arrow_to_the_right_may_skip(self):
        self.assertEqual("", self.floor("gateway/a.c", '#include "cache/base.h"\n'))

    def test_include_in_a_comment(self):
        self.assertEqual("", self.floor("cache/a.c", '/* #include "gateway/a.h" */\n'))

    def test_floor_without_folder_and_tests(self):
        self.assertIn("name the folder", self.floor("cache/a.c", '#include "a.h"\n'))
        self.assertIn("cannot include tests", self.floor("cache/a.c", '#include "tests/sim/a.h"\n'))

    def test_confined_header(self):
        self.assertIn("is confined to router/upstream_curl.c",
                      self.floor("router/job.c", "#include <curl/curl.h>\n"))
        self.assertEqual("", self.floor("router/upstream_curl.c", "#include <curl/curl.h>\n"))

    def test_unknown_header(self):
        self.assertIn("a new dependency", self.floor("cache/a.c", "#include <glib.h>\n"))

    def test_own_header_first(self):
        self.write("cache/a.h", "\n")
        self.assertIn("first include", self.floor("cache/a.c", '#include "cache/base.h"\n'))

    def test_printing_below_the_gateway(self):
        text = 'void f(void)\n{\n    fprintf(stderr, "x");\n}\n'
        self.assertIn("cache/a.c:3: fprintf", self.floor("cache/a.c", text))
        self.assertEqual("", self.floor("gateway/a.c", text))
        self.assertEqual("", self.floor("cache/a.c", 'char t[] = "printf"; /* stderr */\n'))


class Bans(TreeCase):
    def file(self, text, allowed=None):
        self.write("cache/a.c", text)
        return self.complaints(bans.check_file, {} if allowed is None else allowed, "cache/a.c")

    def function(self, lines):
        return "int f(int a,\n      int b)\n{\n%s}\n" % ("    a++;\n" * (lines - 4))

    def test_banned_call(self):
        self.assertIn("cache/a.c:1: strcpy", self.file("int a = strcpy(b, c);\n"))
        self.assertEqual("", self.file('int a = my_strcpy(x->system("strcpy(")); /* atoi() */\n'))

    def test_leftover(self):
        self.assertIn("left over", self.file("/* TO" + "DO: later */\n"))

    def test_function_size(self):
        self.assertEqual("", self.file(self.function(80)))
        self.assertIn("f() has 81 lines", self.file(self.function(81)))

    def test_file_size(self):
        self.assertEqual("", self.file("\n" * 700))
        self.assertIn("the file has 701 lines", self.file("\n" * 701))

    def test_exceptions_only_shrink(self):
        key = ("cache/a.c", "f")
        self.assertEqual("", self.file(self.function(90), {key: 90}))
        self.assertIn("has grown to 91", self.file(self.function(91), {key: 90}))
        self.assertIn("has shrunk", self.file(self.function(85), {key: 90}))
        self.assertIn("within the limit", self.file(self.function(80), {key: 90}))


class Unused(TreeCase):
    def symbols(self, text, for_tests=()):
        """Lines of "file kind name", as nm would say them of the objects."""
        self.write("cache/a.c", "void f(void)\n{\n}\n\n"
                                "void inner(void)\n{\n}\n\nvoid g(void)\n{\n    inner();\n}\n")
        lines = [line.split() for line in text.strip().split("\n")]
        nm = "".join("/b/release/%s.o: %s %s\n" % (path, kind, name) for path, kind, name in lines)
        return self.complaints(unused.check, nm, for_tests)

    def test_used_by_nobody(self):
        self.assertIn("cache/a.c:1: f is used by no other file", self.symbols("cache/a T f"))
        self.assertEqual("", self.symbols("cache/a T f\ngateway/b U f"))

    def test_used_by_tests_alone(self):
        self.assertIn("cache/a.c:1: only tests use f", self.symbols("cache/a T f\ntests/unit/test_a U f"))
        self.assertEqual("", self.symbols("cache/a T f\ntests/unit/test_a U f\ntests/bench/b U f"))
        self.assertEqual("", self.symbols("cache/a T inner\ntests/unit/test_a U inner"),
                         "its own file uses it")
        self.assertEqual("", self.symbols("tests/sim/law T f\ntests/unit/test_law U f"))

    def test_the_list_of_what_tests_may_have(self):
        self.assertEqual("", self.symbols("cache/a T f\ntests/unit/test_a U f", ["f"]))
        self.assertIn("f, which has other users", self.symbols("cache/a T f\nrouter/b U f", ["f"]))
        self.assertIn("h, which is nowhere", self.symbols("cache/a T f\nrouter/b U f", ["h"]))


if __name__ == "__main__":
    unittest.main()
