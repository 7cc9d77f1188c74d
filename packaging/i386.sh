#!/bin/bash
# Unpacks the 32-bit (i386) libraries that Sluice needs into a sysroot of its own, for
# `make FLAVOUR=i386`. Nothing is installed: the i386 libevent-dev would throw out the amd64 one, and
# a foreign architecture would change the system's package configuration.
#
#   packaging/i386.sh [DIR]   DIR is build/i386-sysroot, or $BUILD/i386-sysroot; used again if finished
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/apt.sh

root=$(realpath -m "${1:-${BUILD:-build}/i386-sysroot}")
# The compiler is the system's own with -m32; its 32-bit start files must be of the same version.
packages="libc6-dev libgcc-$(gcc -dumpversion)-dev libevent-dev libcurl4-openssl-dev libmbedtls-dev
    libyaml-dev libjansson-dev zlib1g-dev libcmocka-dev uthash-dev"
stamp=$(cat packaging/i386.sh packaging/apt.sh | sha256sum)

if [ "$(cat "$root/.stamp" 2>/dev/null)" = "$stamp" ]; then
    echo "i386: $root is ready"
    exit 0
fi
rm -rf "$root"
mkdir -p "$root/.apt"
private_apt "$root/.apt" deb i386
echo "i386: asking for the 32-bit package lists"
# One mirror out of step costs one list, not the build: what is missing then shows in the next line.
apt_get update || echo "i386: some lists are missing, going on with the others"
echo "i386: downloading"
# shellcheck disable=SC2086
apt_get install -y --download-only $packages
count=0
for deb in "$root"/.apt/archives/*.deb; do
    dpkg-deb -x "$deb" "$root"
    count=$((count + 1))
done
rm -rf "$root/.apt"
# Absolute links would lead out of the sysroot.
find "$root" -type l -lname '/*' -printf '%p %l\n' | while read -r link target; do
    ln -sfn "$root$target" "$link"
done
echo "$stamp" >"$root/.stamp"
echo "i386: $count packages in $root"
