# shellcheck shell=bash
# What scripts/test, its layers and scripts/demo share. To be sourced by bash.

set -euo pipefail

# The folder of the collection.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Everything that is worth keeping between two runs. HOME may be unset where a service starts us.
home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${JAULAS_CACHE:-${XDG_CACHE_HOME:-$home/.cache}/jaulas.chroot}
mkdir -p "$cache"

# Ansible refuses to run without UTF-8, and sorted lists must not depend on who calls.
export LC_ALL=C.UTF-8

say() {
    printf '== %s\n' "$*"
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# install_packages NAME...: install those Debian packages that are missing, and say so.
install_packages() {
    local name missing=()
    for name; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "not root, and these packages are missing: ${missing[*]}"
    say "installing what is missing here: ${missing[*]}"
    apt-get update --quiet --quiet
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]}"
}

# find_python MINOR...: print the path of the first Python 3.MINOR that really runs and can make venvs.
# Found are the system's own, those on PATH (where a pyenv shim may stand for nothing) and pyenv's.
find_python() {
    local minor candidate
    for minor; do
        for candidate in /usr/bin/python3 "python3.$minor" "$home/.pyenv/versions/3.$minor".*/bin/python3; do
            "$candidate" - "$minor" 2>/dev/null <<'PYTHON' && return 0
import sys, ensurepip, venv
if sys.version_info[1] != int(sys.argv[1]):
    sys.exit(1)
print(sys.executable)
PYTHON
        done
    done
    return 1
}

# venv_of REQUIREMENTS PYTHON: print the folder of the venv for both. It changes with either.
venv_of() {
    local name key
    name=$(basename "$1" .txt)
    key=$({ echo "$2" && "$2" -VV && cat "$1"; } | sha256sum | cut -c1-12)
    echo "$cache/venv/$name-$key"
}

# make_venv REQUIREMENTS PYTHON: make that venv, unless a run before this one did.
make_venv() {
    local folder
    folder=$(venv_of "$1" "$2")
    mkdir -p "$cache/venv"
    (
        flock 9
        # Scripts in a venv carry its path, so that a mark and not a rename says that it is whole.
        [ ! -e "$folder/complete" ] || exit 0
        say "making a venv of $("$2" -V) for $(basename "$1")"
        rm -rf "$folder"
        "$2" -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$1"
        touch "$folder/complete"
    ) 9>"$folder.lock"
}

# stage FOLDER: copy the collection to FOLDER/ansible_collections/jaulas/chroot, as Ansible's tools want it:
# what git knows or would add, and nothing else.
stage() {
    local target=$1/ansible_collections/jaulas/chroot
    mkdir -p "$target"
    (
        cd "$top"
        # A file may be deleted and git not yet told.
        git -c safe.directory="$top" ls-files -z --cached --others --exclude-standard --deduplicate |
            while IFS= read -r -d '' file; do
                [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "$file"
            done |
            tar --create --null --files-from=- |
            tar --extract --directory="$target"
    )
}
