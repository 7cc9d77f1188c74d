#!/bin/bash
# Sluice in front of simulated models, on this machine, in one command: installs the Debian packages it
# needs, builds, starts both, asks the same questions of one model and of a graph of several, and leaves it
# running until Ctrl-C.
#
#   packaging/demo.sh           stays until Ctrl-C
#   packaging/demo.sh --once    ends after the questions
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}

case ${1:-} in
'' | --once) ;;
*)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

bold=
plain=
if [ -t 1 ]; then
    bold=$'\033[1m'
    plain=$'\033[0m'
fi
say()
{
    printf '\n%s== %s%s\n' "$bold" "$*" "$plain"
}

dir=
sim=
sluice=
clean_up()
{
    # Sluice first: it finishes what it has begun, and needs its models for that.
    local pid
    for pid in $sluice $sim; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
    done
    [ -z "$dir" ] || rm -rf "$dir"
}
trap clean_up EXIT
trap 'echo; exit 0' INT TERM

fail()
{
    echo "demo: $1" >&2
    tail -n 20 "$dir"/*.log >&2
    exit 1
}

say "Packages and build"
packaging/deps.sh build
echo "building"
start=$SECONDS
make --no-print-directory -s -j "$(nproc)" all
echo "built in $((SECONDS - start)) s: $($build/sluice --version)"

dir=$(mktemp -d)
say "Simulated models (no language model runs here: their answers are made up by build/sim)"
$build/sim --listen 127.0.0.1:0 --port-file "$dir/sim.port" --seed 10 >"$dir/sim.log" 2>&1 &
sim=$!
for _ in $(seq 100); do
    [ -s "$dir/sim.port" ] && break
    kill -0 "$sim" 2>/dev/null || fail "the simulated models did not start"
    sleep 0.1
done
sim_port=$(cat "$dir/sim.port") || fail "the simulated models did not start"

# 8080 where it is free, as in the manual; any other port elsewhere.
port=$(python3 - <<'PY'
import socket

for port in (8080, 0):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(s.getsockname()[1])
        break
PY
)
# What `alone` and `large` are for is their cost in the same units as the panel's.
cat >"$dir/sluice.yaml" <<YAML
listen: 127.0.0.1:$port
admin: unix:$dir/admin.sock
upstreams:
  - {name: simulated, url: "http://127.0.0.1:$sim_port/v1", max_in_flight: 512}
models:
  - {name: llama-8b, upstream: simulated, params: 8e9, layers: 32, hidden: 4096,
     price: {input: 0.15, output: 0.30}}
  - {name: gemma-9b, upstream: simulated, params: 9e9, layers: 42, hidden: 3584,
     price: {input: 0.16, output: 0.32}}
  - {name: qwen-7b, upstream: simulated, params: 7e9, layers: 28, hidden: 3584,
     price: {input: 0.14, output: 0.28}, fallback: llama-8b}
  - {name: llama-70b, upstream: simulated, params: 70e9, layers: 80, hidden: 8192,
     price: {input: 0.80, output: 1.20}}
graphs: {panel: panel.graph.json, alone: alone.graph.json, large: large.graph.json}
aliases: {gpt-4o: graph/panel}
YAML
cat >"$dir/panel.graph.json" <<'JSON'
{"nodes": [{"id": "a", "model": "llama-8b", "role": "assistant"},
           {"id": "b", "model": "gemma-9b", "role": "assistant"},
           {"id": "c", "model": "qwen-7b", "role": "assistant"},
           {"id": "f", "model": "qwen-7b", "role": "fuser", "fuse": "llm"}],
 "edges": [["a", "f"], ["b", "f"], ["c", "f"]], "output": "f"}
JSON
for name in alone:qwen-7b large:llama-70b; do
    printf '{"nodes": [{"id": "a", "model": "%s", "role": "assistant"}], "output": "a"}\n' \
        "${name#*:}" >"$dir/${name%%:*}.graph.json"
done

say "Sluice on http://127.0.0.1:$port/v1"
$build/sluice serve -c "$dir/sluice.yaml" >"$dir/sluice.log" 2>&1 &
sluice=$!
for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$port/readyz" >/dev/null && break
    kill -0 "$sluice" 2>/dev/null || fail "sluice did not start"
    sleep 0.1
done
curl -sf "http://127.0.0.1:$port/readyz" >/dev/null || fail "sluice is not ready"

url=http://127.0.0.1:$port/v1
say "A question, answered whole"
question='{"model": "qwen-7b", "messages": [{"role": "user", "content": "What is 17 * 23?"}]}'
echo "curl $url/chat/completions -H 'content-type: application/json' -d '$question'"
curl -sS --fail-with-body "$url/chat/completions" -H 'content-type: application/json' \
    -d "$question" || fail "no answer"

# Python would otherwise set a locale that says UTF-8 where there is none.
PYTHONCOERCECLOCALE=0 python3 packaging/demo_compare.py --url "$url" --config "$dir/sluice.yaml" \
    --log "$dir/sluice.log" --sluice "$build/sluice" --sim "$build/sim" --graph panel \
    --alone alone,large || fail "the comparison failed"

[ "${1:-}" != --once ] || exit 0

say "Point an application at it"
cat <<TEXT
curl     curl http://127.0.0.1:$port/v1/chat/completions -H 'content-type: application/json' \\
           -d '{"model": "gpt-4o", "messages": [{"role": "user", "content": "What is 6 * 7?"}]}'

Python   from openai import OpenAI
         client = OpenAI(base_url="http://127.0.0.1:$port/v1", api_key="unused")

Node     import OpenAI from "openai";
         const client = new OpenAI({baseURL: "http://127.0.0.1:$port/v1", apiKey: "unused"});

gpt-4o is an alias of graph/panel there. The configuration is $dir/sluice.yaml,
the log sluice.log beside it. Ctrl-C ends it.
TEXT
wait "$sluice" || fail "sluice ended by itself"
