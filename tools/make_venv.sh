#!/bin/bash
# Make the environment: .venv in the project's folder, with Python 3.11 and the packages of requirements.txt and
# requirements-dev.txt.
#
# DGL has wheels for Python up to 3.11 only. Where there is no python3.11, uv provides one: the uv on
# the PATH, or one installed into .venv-bootstrap. Packages come through pip in every case.
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
venv=$root/.venv
uv_version=0.13.9
log=$(mktemp)
trap 'rm -f "$log"' EXIT

is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >>"$log" 2>&1; }

with_python311() {
    local python
    for python in python3.11 python3; do
        command -v "$python" >/dev/null && is_311 "$python" && "$python" -m venv --clear "$venv" >>"$log" 2>&1 && return
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
if [ ! -x "$venv/bin/python" ] || ! is_311 "$venv/bin/python"; then
    if ! with_python311 && ! with_uv; then
        rm -rf "$venv"
        echo "make: Python 3.11 is needed (DGL has no build for later ones) and could not be had: install it" \
            "(Debian and Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.11; or https://docs.astral.sh/uv)," \
            "then run make again. Last word: $(grep -v '^$' "$log" | tail -n 1)" >&2
        exit 1
    fi
fi
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$root/requirements.txt" --requirement "$root/requirements-dev.txt" 2>"$log"; then
    cat "$log" >&2
    echo "make: installing the requirements failed (above); check the network, then run make again." >&2
    exit 1
fi
touch "$venv/.complete"
