# Sourced by musl.sh and i386.sh: an apt whose lists, cache and status are private, so that asking for
# source packages or for another architecture leaves the system's own configuration as it is.
#
#   private_apt DIR deb|deb-src ARCH    derives the private configuration from the system's sources
#   apt_get ARGS…                       apt-get with it
#
# Written for bash.

private_apt()
{
    local dir=$1 type=$2 arch=$3 list parts file
    list=$(apt-config shell X Dir::Etc::SourceList/f | sed "s/^X='\(.*\)'$/\1/")
    parts=$(apt-config shell X Dir::Etc::SourceParts/d | sed "s/^X='\(.*\)'$/\1/")
    rm -rf "$dir/sources"
    mkdir -p "$dir/sources" "$dir/lists/partial" "$dir/archives/partial"
    : >"$dir/status"
    for file in "$list" "$parts"/*.list; do
        [ -f "$file" ] || continue
        # Only binary lines are taken, whatever they are turned into: a deb-src line may be there too.
        sed -n "s/^deb[[:space:]]/$type /p" "$file" >"$dir/sources/$(basename "$file" .list).list"
    done
    for file in "$parts"/*.sources; do
        [ -f "$file" ] || continue
        sed "s/^Types:.*/Types: $type/; /^Architectures:/d" "$file" \
            >"$dir/sources/$(basename "$file")"
    done
    cat >"$dir/apt.conf" <<CONF
APT::Architecture "$arch";
#clear APT::Architectures;
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$dir/sources";
Dir::State "$dir";
Dir::State::Lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir";
Dir::Cache::archives "$dir/archives";
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
    APT_PRIVATE=$dir/apt.conf
}

apt_get()
{
    # Nothing is installed, so a lock of another apt need not be waited for, and no root is needed.
    APT_CONFIG=$APT_PRIVATE apt-get -qq -o Debug::NoLocking=1 "$@"
}
