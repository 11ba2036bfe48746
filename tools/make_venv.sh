#!/bin/bash
# Make the environment: .venv in the project's folder, with the packages of requirements.txt, requirements-dev.txt and
# requirements-torch.txt.
#
# DGL has wheels for Python up to 3.11 only; with DGL=off in the environment, Python 3.12 and 3.13 do too. Where there is
# none, uv provides 3.11: the uv on the PATH, or one installed into .venv-bootstrap. Packages come through pip in every
# case.
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
venv=$root/.venv
uv_version=0.13.9
log=$(mktemp)
trap 'rm -f "$log"' EXIT

latest=11
[ "${DGL:-}" = off ] && latest=13
fits() { "$1" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $latest))" >>"$log" 2>&1; }

with_python() {
    local python
    for python in python3 python3.11; do
        command -v "$python" >/dev/null && fits "$python" && "$python" -m venv --clear "$venv" >>"$log" 2>&1 && return
    done
    return 1
}

with_uv() {
    local uv
    if uv=$(command -v uv); then :; else
        uv=$root/.venv-bootstrap/bin/uv
        if [ ! -x "$uv" ]; then
            { python3 -m venv --clear "$root/.venv-bootstrap" &&
                "$root/.venv-bootstrap/bin/python" -m pip install --quiet "uv==$uv_version"; } >>"$log" 2>&1 || return 1
        fi
    fi
    # --seed puts pip in. Certificates as pip takes them: the system's (the names of newer and older uv).
    UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 "$uv" venv --quiet --clear --seed --python 3.11 "$venv" >>"$log" 2>&1
}

echo "setting up $venv (once; a minute or more)"
if [ ! -x "$venv/bin/python" ] || ! fits "$venv/bin/python"; then
    if ! with_python && ! with_uv; then
        rm -rf "$venv"
        echo "make: Python 3.11 is needed (DGL has no build for later ones) and could not be had: install it" \
            "(Debian and Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.11; or https://docs.astral.sh/uv)," \
            "then run make again. Last word: $(grep -v '^$' "$log" | tail -n 1)" >&2
        exit 1
    fi
fi
install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" 2>"$log"; }
# The files are complete; without --no-deps older pips miss the hashes of extras.
exactly() { install --require-hashes --no-deps "$@"; }
torch=$(grep -o '^torch==[0-9.]*' "$root/requirements-torch.txt")
# The CPU build; else PyPI's, and then the CUDA libraries, of which that one names the versions.
if ! exactly --requirement "$root/requirements.txt" --requirement "$root/requirements-dev.txt" || {
    ! exactly --requirement "$root/requirements-torch.txt" --constraint <(echo "$torch+cpu") &&
        ! { exactly --requirement "$root/requirements-torch.txt" && install "$torch"; }
}; then
    cat "$log" >&2
    echo "make: installing the requirements failed (above); check the network, then run make again." >&2
    exit 1
fi
touch "$venv/.complete"
