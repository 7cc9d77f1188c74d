#!/bin/bash
# Builds Sluice in every flavour and runs every test. Installs what is missing first.
#
#   packaging/check.sh            everything
#   packaging/check.sh WORD...    only the steps whose name contains a word, as in "unit" or "musl"
#   packaging/check.sh --list     the names of the steps
#
# A step that prints `N passed, N failed` last counts as so many tests, another as one. What cannot
# run counts as failed. The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0
failed=0
number=0
failures=
began=$SECONDS
log=$(mktemp)
running=
trap 'rm -f "$log"; [ -z "$running" ] || kill "$running"' EXIT
trap 'exit 130' INT TERM
words=("$@")
jobs=$(nproc)

wanted()
{
    local word
    [ ${#words[@]} -gt 0 ] || return 0
    for word in "${words[@]}"; do
        [[ $1 == *"$word"* ]] && return 0
    done
    return 1
}

# step SECONDS NAME COMMAND, the command being a line of shell
step()
{
    local limit=$1 name=$2 start=$SECONDS code counts good=0 bad=0 word
    if [ "${words[*]}" = --list ]; then
        echo "$name"
        return
    fi
    wanted "$name" || return
    number=$((number + 1))
    printf '%2d %-28s ' "$number" "$name"
    # In the background, so that Ctrl-C is served at once; timeout hands it on to all that it started.
    timeout -k 10 "$limit" bash -c "$3" >"$log" 2>&1 </dev/null &
    running=$!
    wait "$running"
    code=$?
    running=
    counts=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    if [ -n "$counts" ]; then
        good=${counts%% passed*}
        bad=${counts##*, }
        bad=${bad%% failed}
    elif [ $code -eq 0 ]; then
        good=1
    fi
    [ $code -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
    word=ok
    [ "$bad" -eq 0 ] || word=FAILED
    printf '%-6s %4d s   %s\n' "$word" $((SECONDS - start)) "$counts"
    if [ "$bad" -ne 0 ]; then
        failures="$failures, $name"
        [ $code -ne 124 ] || echo "   stopped after $limit s"
        grep -avE '^  (CC|LD|AR|TIDY) ' "$log" | tail -n 200 |
            tr -d '\000-\010\013-\037' | sed 's/^/   | /'
    fi
}

make_()
{
    make --no-print-directory -j "$jobs" WERROR=1 "$@"
}
export -f make_
export jobs
export BUILD=${BUILD:-build}

step 1200 "packages" 'packaging/deps.sh check'

step 600 "build gcc" 'make_ all'
step 600 "build clang" 'make_ FLAVOUR=clang all units'
step 120 "layers" 'make_ layers'
step 300 "unused" 'make_ unused'
step 120 "lint tests" 'python3 -B tests/lint/test_lint.py'
step 120 "format" 'make_ format-check'
step 300 "cppcheck" 'make_ cppcheck'
step 600 "clang-tidy" 'make_ tidy'

step 600 "unit gcc" 'make_ check'
step 600 "unit asan" 'make_ asan'
step 600 "unit tsan" 'make_ tsan'
step 900 "unit valgrind" 'make_ valgrind'

step 600 "musl libraries" 'packaging/musl.sh'
step 600 "musl build" 'make_ FLAVOUR=musl all'
step 600 "musl unit" 'make_ FLAVOUR=musl check'
step 60 "musl program" '$BUILD/musl/sluice --version && ! readelf -l $BUILD/musl/sluice | grep INTERP'

step 600 "musl e2e" 'make_ FLAVOUR=musl e2e E2E_JOBS=2 E2E="chat endpoints smuggling cancel graph"'

step 600 "i386 libraries" 'packaging/i386.sh'
step 600 "i386 build" 'make_ FLAVOUR=i386 all'
step 600 "i386 unit" 'make_ FLAVOUR=i386 check'
step 60 "i386 program" '$BUILD/i386/sluice --version'
step 600 "i386 e2e" 'make_ FLAVOUR=i386 e2e E2E_JOBS=2 E2E="chat endpoints smuggling cancel graph"'

step 900 "fuzz" 'make_ fuzz FUZZ_SECONDS=5'

step 900 "e2e" 'make_ e2e E2E_JOBS=2 E2E="_1 _2 _3 _4 _5 _6 _7 _sim"'
# What measures memory and delays has the machine for itself.
step 900 "e2e load" 'make_ e2e E2E="_8"'
step 900 "e2e asan" 'make_ FLAVOUR=asan e2e E2E_JOBS=2'
step 900 "e2e tsan" 'make_ FLAVOUR=tsan e2e E2E_JOBS=2 E2E="cancel slots life admin graph tasks"'
step 900 "official clients" 'make_ clients'
step 900 "provider faults" 'make_ faults'

[ "${words[*]}" != --list ] || exit 0
echo "$((SECONDS - began)) s in all${failures:+; failed: ${failures#, }}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
