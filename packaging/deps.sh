#!/bin/bash
# Installs the Debian packages that Sluice needs, where they are missing.
#
#   packaging/deps.sh build     to build and run it, and for packaging/demo.sh (the default)
#   packaging/deps.sh check     also what packaging/check.sh needs
#   packaging/deps.sh bench     what `make bench` compares with
set -euo pipefail

build="gcc libc6-dev make pkg-config libevent-dev libcurl4-openssl-dev libmbedtls-dev libyaml-dev
    libjansson-dev zlib1g-dev uthash-dev python3 curl ca-certificates"
# clang's runtime has the sanitizers and libFuzzer; libc6-dbg is what valgrind reads; cmake, patch and
# dpkg-dev build the musl libraries.
check="libcmocka-dev clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 cppcheck valgrind
    libc6-dbg musl-tools cmake patch dpkg-dev openssl procps git python3-venv"
bench="nginx-light haproxy valgrind strace"

case ${1:-build} in
build) wanted=$build ;;
check) wanted="$build $check" ;;
bench) wanted="$build $bench" ;;
*)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: this is not Debian; install the like of:" $wanted >&2
    exit 1
fi

has()
{
    [ "$(dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1)" = installed ]
}

missing=
for package in $wanted; do
    # nginx comes in several packages that exclude each other; any will do.
    case $package in
    nginx-light) command -v nginx >/dev/null && continue ;;
    esac
    has "$package" || missing="$missing $package"
done
# Node may come from elsewhere than Debian, with npm in it.
if [ "${1:-build}" = check ]; then
    command -v node >/dev/null || missing="$missing nodejs"
    command -v npm >/dev/null || missing="$missing npm"
fi
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: need root or sudo to install:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "deps: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install()
{
    $as_root apt-get -q update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install \
            $missing
}
start=$SECONDS
if ! install >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "deps: installing failed" >&2
    exit 1
fi
echo "deps: installed in $((SECONDS - start)) s"
