"""What is measured: each target is a server on a port of 127.0.0.1 that answers like the upstream
behind it. All proxies have one thread for traffic, connections kept alive on both sides, no buffering
of streams, and no access log unless the name says so."""

import json
import os
import re
import shutil
import socket
import subprocess

from process import (
    OTHER_CPU, PROXY_CPU, ROOT, Child, children, eventually, first_line, free_port,
)

MODELS = ("bench-json", "bench-burst", "bench-paced", "bench-held")


# The graphs that are measured, and how much each of their models says: NAME-N is said by bench-NAME-N.
GRAPHS = {
    "panel": ("node-16", "node-16", "node-16", "node-16"),
    "steps": ("step-3", "step-5", "step-8", "step-4"),
}
NODE_EVENTS = 16


def program(name):
    """SLUICE and BENCH, a directory, say where the programs are; else those of the last build."""
    if name == "sluice":
        return os.environ.get("SLUICE") or os.path.join(ROOT, "build", "sluice")
    directory = os.environ.get("BENCH") or os.path.join(ROOT, "build", "release", "bench")
    return os.path.join(directory, name)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


class Certificate:
    """Self-signed, for 127.0.0.1, ECDSA P-256; `both` is certificate and key in one file."""

    def __init__(self, directory):
        self.cert = os.path.join(directory, "cert.pem")
        self.key = os.path.join(directory, "key.pem")
        self.both = os.path.join(directory, "both.pem")
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        command = command.split() + ["-subj", "/CN=127.0.0.1", "-keyout", self.key, "-out", self.cert]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        with open(self.cert, encoding="ascii") as c, open(self.key, encoding="ascii") as k:
            write(self.both, c.read() + k.read())


class Upstream:
    """The simulated upstream. As a target of its own ("direct") it runs where the proxies run."""

    name = "direct"

    def __init__(self, directory, cpu=OTHER_CPU):
        port_file = os.path.join(directory, "upstream.port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        command = [program("upstream"), port_file]
        self.child = Child(command, cpu, os.path.join(directory, "upstream.log"))

        def look():
            self.child.check()
            if not os.path.exists(port_file):
                return None
            with open(port_file, encoding="ascii") as f:
                text = f.read()
            return int(text) if text.endswith("\n") else None

        self.port = eventually(look, "the upstream listens")
        self.pid = self.child.pid

    def stop(self):
        self.child.stop()


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5):
            return True
    except OSError:
        return False


class Proxy:
    """`tls`: a Certificate; self.tls_port is then a port with TLS, and self.port may be None.
    `waits`: until it serves; else self.pid may be that of a parent."""

    def __init__(self, directory, upstream_port, tls=None, waits=True):
        self.directory = os.path.join(directory, self.name + ("-tls" if tls else ""))
        os.makedirs(self.directory, exist_ok=True)
        self.port = free_port()
        self.tls_port = None
        command = self.configure(upstream_port, tls)
        log = os.path.join(self.directory, "output")
        self.child = Child(command, PROXY_CPU, log, is_guarded=waits)
        self.pid = self.child.pid
        if waits:
            try:
                eventually(self.is_up, self.name + " serves")
                self.find_worker()
            except BaseException:
                self.stop()
                raise

    def is_up(self):
        self.child.check()
        return accepts(self.tls_port if self.port is None else self.port)

    def find_worker(self):
        """Sets self.pid to the process that moves the bytes."""

    def configure(self, upstream_port, tls):
        """Writes the configuration, sets the ports; the command."""
        raise NotImplementedError

    def stop(self):
        self.child.stop()


class Nginx(Proxy):
    name = "nginx"

    def configure(self, upstream_port, tls):
        listen = "listen 127.0.0.1:%d;" % self.port
        if tls:
            self.tls_port = free_port()
            listen += " listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;" % (
                self.tls_port, tls.cert, tls.key)
        user = "user root;" if os.geteuid() == 0 else ""
        temp = " ".join(
            "%s_temp_path %s/%s;" % (what, self.directory, what)
            for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = """
            %(user)s worker_processes 1; daemon off; pid %(dir)s/pid;
            error_log %(dir)s/error.log warn; worker_rlimit_nofile 16384;
            events { worker_connections 8192; }
            http {
                access_log off; %(temp)s
                keepalive_requests 1000000000;
                upstream up {
                    server 127.0.0.1:%(upstream)d;
                    keepalive 512; keepalive_requests 1000000000;
                }
                server {
                    %(listen)s
                    location = /healthz { return 200 "ok"; }
                    location / {
                        proxy_pass http://up; proxy_http_version 1.1;
                        proxy_set_header Connection ""; proxy_buffering off;
                    }
                }
            }
            """ % {"user": user, "dir": self.directory, "temp": temp, "upstream": upstream_port,
                   "listen": listen}
        path = write(os.path.join(self.directory, "nginx.conf"), text)
        log = os.path.join(self.directory, "error.log")
        return ["nginx", "-p", self.directory, "-c", path, "-e", log]

    def find_worker(self):
        self.pid = eventually(lambda: children(self.child.pid), "nginx has a worker")[0]


class Haproxy(Proxy):
    name = "haproxy"

    def configure(self, upstream_port, tls):
        binds = ["bind 127.0.0.1:%d" % self.port]
        if tls:
            self.tls_port = free_port()
            binds.append("bind 127.0.0.1:%d ssl crt %s" % (self.tls_port, tls.both))
        text = """
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    option http-no-delay
    http-reuse always
    timeout connect 5s
    timeout client 600s
    timeout server 600s
frontend front
    %s
    http-request return status 200 if { path /healthz }
    default_backend up
backend up
    server up 127.0.0.1:%d
""" % ("\n    ".join(binds), upstream_port)
        path = write(os.path.join(self.directory, "haproxy.cfg"), text)
        return ["haproxy", "-db", "-q", "-f", path]


def graph(name, says):
    """Assistants that all feed an `llm` fuser, the last: as configuration of models, and as a document."""
    models = [
        {"name": "%s-%d" % (name, i), "upstream": "up", "id": "bench-" + what, "params": 1e9,
         "layers": 16, "hidden": 2048, "price": {"input": 0.05, "output": 0.1}}
        for i, what in enumerate(says)
    ]
    ids = [m["name"] for m in models]
    nodes = [{"id": i, "model": i, "role": "assistant"} for i in ids]
    nodes[-1].update(role="fuser", fuse="llm")
    return models, {"nodes": nodes, "edges": [[i, ids[-1]] for i in ids[:-1]], "output": ids[-1]}


class Sluice(Proxy):
    name = "sluice"
    access_log = False
    has_graphs = False

    def configure(self, upstream_port, tls):
        url = "http://127.0.0.1:%d/v1" % upstream_port
        document = {
            "listen": "127.0.0.1:%d" % self.port,
            "workers": 1,
            "log": {
                "access": self.access_log,
                "file": os.path.join(self.directory, "sluice.log"),
            },
            "upstreams": [{"name": "up", "url": url, "max_in_flight": 4096}],
            "models": [{"name": name, "upstream": "up", "id": name} for name in MODELS],
        }
        if self.has_graphs:
            self.add_graphs(document)
        if tls:
            self.tls_port, self.port = self.port, None
            document["tls"] = {"cert": tls.cert, "key": tls.key}
        # JSON is YAML too.
        self.config = os.path.join(self.directory, "sluice.yaml")
        write(self.config, json.dumps(document, indent=1))
        return [program("sluice"), "serve", "-c", self.config]

    def add_graphs(self, document):
        document["graphs"] = {}
        for name, says in GRAPHS.items():
            models, nodes = graph(name, says)
            document["models"] += models
            document["graphs"][name] = write(
                os.path.join(self.directory, name + ".graph.json"), json.dumps(nodes))


class SluiceLog(Sluice):
    name = "sluice+log"
    access_log = True


PROXIES = (Nginx, Haproxy, Sluice, SluiceLog)


def missing():
    """What must be installed or built before anything can be measured."""
    wanted = [name for name in ("nginx", "haproxy", "openssl") if not shutil.which(name)]
    paths = [program(name) for name in ("sluice", "upstream", "load")]
    return wanted + [path for path in paths if not os.access(path, os.X_OK)]


def versions():
    found = {
        "nginx": first_line(["nginx", "-v"]),
        "haproxy": first_line(["haproxy", "-v"]),
        "sluice": first_line([program("sluice"), "--version"]),
    }
    return {name: re.sub(r"^.*?version:? (nginx/)?", "", text or "") for name, text in found.items()}
