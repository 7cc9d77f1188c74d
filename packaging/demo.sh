#!/bin/bash
# Sluice in front of simulated models, on this machine, in one command: installs the Debian packages it
# needs, builds, starts both, asks two questions, and leaves it running until Ctrl-C.
#
#   packaging/demo.sh           stays until Ctrl-C
#   packaging/demo.sh --once    ends after the questions
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}

case ${1:-} in
'' | --once) ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
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
$build/sim --listen 127.0.0.1:0 --port-file "$dir/sim.port" --seed 7 >"$dir/sim.log" 2>&1 &
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
cat >"$dir/sluice.yaml" <<YAML
listen: 127.0.0.1:$port
admin: unix:$dir/admin.sock
upstreams:
  - {name: simulated, url: "http://127.0.0.1:$sim_port/v1", max_in_flight: 8}
models:
  - {name: sim-small, upstream: simulated}
  - {name: sim-medium, upstream: simulated}
  - {name: sim-large, upstream: simulated, fallback: sim-medium}
aliases: {gpt-4o: sim-large}
YAML
sed 's/^/    /' "$dir/sluice.yaml"

say "Sluice on http://127.0.0.1:$port/v1"
$build/sluice serve -c "$dir/sluice.yaml" >"$dir/sluice.log" 2>&1 &
sluice=$!
for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$port/readyz" >/dev/null && break
    kill -0 "$sluice" 2>/dev/null || fail "sluice did not start"
    sleep 0.1
done
curl -sf "http://127.0.0.1:$port/readyz" >/dev/null || fail "sluice is not ready"

url=http://127.0.0.1:$port/v1/chat/completions
say "A question, answered whole"
question='{"model": "sim-large", "messages": [{"role": "user", "content": "What is 17 * 23?"}]}'
echo "curl $url -H 'content-type: application/json' -d '$question'"
curl -sS --fail-with-body "$url" -H 'content-type: application/json' -d "$question" ||
    fail "no answer"

say "A question to gpt-4o, which is an alias of sim-large, streamed: the text as it arrives"
question='{"model": "gpt-4o", "stream": true,
 "messages": [{"role": "user", "content": "Explain step by step: what is 48 + 76?"}]}'
echo "curl -N $url -H 'content-type: application/json' -d '$question'"
# Prints the text of each event; ends with 1 where the stream did not come to its proper end.
curl -sSN --fail-with-body "$url" -H 'content-type: application/json' -d "$question" |
    python3 -u -c '
import json, sys

done = False
for line in sys.stdin:
    if line.startswith("data: [DONE]"):
        done = True
    elif line.startswith("data: "):
        for choice in json.loads(line[6:])["choices"]:
            print(choice["delta"].get("content") or "", end="")
    elif line.startswith("{"):
        print(line)
print()
sys.exit(0 if done else 1)' || fail "the stream broke"

[ "${1:-}" != --once ] || exit 0

say "Point an application at it"
cat <<TEXT
curl     curl http://127.0.0.1:$port/v1/chat/completions -H 'content-type: application/json' \\
           -d '{"model": "sim-large", "messages": [{"role": "user", "content": "What is 6 * 7?"}]}'

Python   from openai import OpenAI
         client = OpenAI(base_url="http://127.0.0.1:$port/v1", api_key="unused")

Node     import OpenAI from "openai";
         const client = new OpenAI({baseURL: "http://127.0.0.1:$port/v1", apiKey: "unused"});

The log is $dir/sluice.log. Ctrl-C ends it.
TEXT
wait "$sluice" || fail "sluice ended by itself"
