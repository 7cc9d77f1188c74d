"""The graphs and tasks of the clients' world. What the simulated models' ids end in is how the tests
find them again at the simulator."""

import json
import os

ABLE = ["tools", "json_schema", "logprobs", "vision"]


def node(name, model, **members):
    return {"id": name, "model": model, "role": "assistant", **members}


def feeding(inner, output):
    """Assistants, named as their models, that all feed one output."""
    return {
        "nodes": [node(name, name) for name in inner] + [{"id": "out", "role": "fuser", **output}],
        "edges": [[name, "out"] for name in inner],
        "output": "out",
    }


def fused(*inner, by):
    return feeding(inner, {"fuse": "llm", "model": by})


GRAPHS = {
    "panel": fused("able-a", "able-b", "able-c", by="able-f"),
    "vote": feeding(["voter-a", "voter-b", "voter-c"], {"fuse": "vote"}),
    "select": feeding(["able-a", "able-b"], {"fuse": "select", "model": "chooser"}),
    "plain": fused("plain-a", "plain-b", by="plain-f"),
    "waiting": fused("waiting-a", "waiting-b", by="plain-f"),
    "speaking": fused("able-a", "able-b", by="speaking-f"),
    "cut": fused("able-a", "able-b", by="cut-f"),
    "cut-ai": fused("able-a", "able-b", by="cut-ai-f"),
    "cut-python": fused("able-a", "able-b", by="cut-python-f"),
    "down": fused("able-a", "able-b", by="down-f"),
}


def add_models(config):
    once = {"settings": {"retries": 0}}
    for name in ("able-a", "able-b", "able-c", "voter-a", "voter-b", "voter-c"):
        config.model(name, id="fast:tokens=3,id=" + name, capabilities=ABLE)
    config.model("able-f", id="fast:id=able-f", capabilities=ABLE)
    config.model("chooser", id="llama-70b:first=1,token=1,id=chooser", capabilities=ABLE)
    config.model("plain-a", id="fast:tokens=3,id=plain-a")
    config.model("plain-b", id="fast:tokens=3,id=plain-b", context=8000)
    config.model("plain-f", id="fast:id=plain-f")
    for name in ("waiting-a", "waiting-b"):
        config.model(name, id="fast:first=30000,id=" + name)
    config.model("speaking-f", id="fast:first=10,token=30,id=speaking-f")
    for name in ("cut-f", "cut-ai-f", "cut-python-f"):
        config.model(name, id="s08-cut:id=" + name, **once)
    config.model("down-f", id="s04-503:id=down-f", **once)


def upstream_of(config, model):
    return next(m["upstream"] for m in config.doc["models"] if m["name"] == model)


def add_graphs(config, directory):
    add_models(config)
    config.doc["graphs"] = {}
    for name, graph in GRAPHS.items():
        path = os.path.join(directory, name + ".graph.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(graph, f)
        config.doc["graphs"][name] = path
    # What plain's own models cannot do, able-f may do for it.
    plain = [upstream_of(config, m) for m in ("plain-a", "plain-b", "plain-f", "able-f")]
    config.doc["tasks"] = [
        {"name": "panel", "graph": "graph/panel", "match": {"header": "many"}},
        {"name": "tooled", "graph": "graph/panel", "tools": "graph"},
        {"name": "plain", "graph": "graph/plain", "data": plain},
    ]
