#!/bin/bash
# Builds the libraries that Sluice needs as static musl libraries, for `make FLAVOUR=musl`. Debian has
# no musl builds of them, so its source packages are compiled with musl-gcc; libcurl gets mbedTLS as
# its only TLS library, as on small devices.
#
#   packaging/musl.sh [DIR]     DIR is build/musl-deps, or $BUILD/musl-deps; used again if finished
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/apt.sh

prefix=$(realpath -m "${1:-${BUILD:-build}/musl-deps}")
jobs=$(nproc)
stamp=$(cat packaging/musl.sh packaging/apt.sh | sha256sum)

if [ "$(cat "$prefix/.stamp" 2>/dev/null)" = "$stamp" ]; then
    echo "musl: $prefix is ready"
    exit 0
fi
rm -rf "$prefix"
work=$prefix/.work
mkdir -p "$work"

step()
{
    local name=$1 start=$SECONDS
    shift
    if ! (cd "$work" && "$@") >"$work/$name.log" 2>&1; then
        tail -n 40 "$work/$name.log"
        echo "musl: $name failed" >&2
        exit 1
    fi
    echo "musl: $name, $((SECONDS - start)) s"
}

fetch()
{
    private_apt "$work/apt" deb-src "$(dpkg --print-architecture)"
    apt_get update || echo "some lists are missing, going on with the others"
    apt_get source --download-only zlib mbedtls libevent curl libyaml jansson cmocka uthash
    for dsc in *.dsc; do
        unpack "$dsc" "${dsc%%_*}"
    done
}

# The last patches of curl's series make the flavours for other TLS libraries and exclude each other.
unpack()
{
    if [ "$2" != curl ]; then
        dpkg-source --no-check -x "$1" "$2"
        return
    fi
    dpkg-source --no-check --skip-patches -x "$1" curl
    grep -v '^#\|^$\|90_gnutls\|99_nss' curl/debian/patches/series | while read -r patch _; do
        patch -d curl -p1 -s <"curl/debian/patches/$patch"
    done
}

# cmake_build NAME OPTIONS…
cmake_build()
{
    local name=$1
    shift
    # Only what is installed under the prefix may be found: the system's libraries are glibc's.
    cmake -S "$name" -B "build-$name" -DCMAKE_C_COMPILER=musl-gcc -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_FLAGS=-fstack-protector-strong -DCMAKE_INSTALL_PREFIX="$prefix" \
        -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_FIND_ROOT_PATH="$prefix" \
        -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
        -DCMAKE_POLICY_DEFAULT_CMP0074=NEW -DBUILD_SHARED_LIBS=OFF "$@"
    cmake --build "build-$name" -j "$jobs"
    cmake --install "build-$name"
}

build_zlib()
{
    cd zlib
    CC=musl-gcc CFLAGS="-O2 -fstack-protector-strong" ./configure --static --prefix="$prefix"
    make -j "$jobs" libz.a
    make install
}

# cmocka always makes a shared library too, which a static program must not find.
build_cmocka()
{
    cmake_build cmocka -DWITH_EXAMPLES=OFF -DUNIT_TESTING=OFF -DWITH_STATIC_LIB=ON
    rm -f "$prefix"/lib/libcmocka.so*
    mv "$prefix/lib/libcmocka-static.a" "$prefix/lib/libcmocka.a"
}

copy_headers()
{
    mkdir -p "$prefix/include"
    cp uthash/src/*.h "$prefix/include/"
    # musl-gcc looks nowhere else, and the kernel's headers belong to no C library.
    cp -r /usr/include/linux /usr/include/asm-generic "$prefix/include/"
    cp -rL "/usr/include/$(gcc -print-multiarch)/asm" "$prefix/include/"
}

step fetch fetch
step zlib build_zlib
step headers copy_headers
step mbedtls cmake_build mbedtls -DENABLE_PROGRAMS=OFF -DENABLE_TESTING=OFF
step libevent cmake_build libevent -DEVENT__LIBRARY_TYPE=STATIC -DEVENT__DISABLE_OPENSSL=ON \
    -DEVENT__DISABLE_TESTS=ON -DEVENT__DISABLE_BENCHMARK=ON -DEVENT__DISABLE_SAMPLES=ON
step libyaml cmake_build libyaml -DBUILD_TESTING=OFF
step jansson cmake_build jansson -DJANSSON_BUILD_DOCS=OFF -DJANSSON_WITHOUT_TESTS=ON \
    -DJANSSON_EXAMPLES=OFF
step cmocka build_cmocka
step curl cmake_build curl -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DHTTP_ONLY=ON \
    -DCURL_USE_OPENSSL=OFF -DCURL_USE_MBEDTLS=ON -DCURL_USE_LIBSSH2=OFF -DUSE_LIBIDN2=OFF \
    -DCURL_USE_LIBPSL=OFF -DUSE_NGHTTP2=OFF -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF \
    -DENABLE_THREADED_RESOLVER=ON -DCURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \
    -DCURL_CA_PATH=none

rm -rf "$work"
echo "$stamp" >"$prefix/.stamp"
echo "musl: libraries are in $prefix"
