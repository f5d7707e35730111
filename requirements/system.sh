#!/usr/bin/env bash
# system.sh PYTHON [PROGRAM ...]: checks that what pip cannot bring is there; names the Debian package of what is
# not, or installs it where that is possible without asking (root, with apt-get).
# PROGRAMs are only wished for: their packages, of the same names, are installed where that is possible.
set -euo pipefail
python=${1:-python3}
wishes=("${@:2}")

missing() { # the Debian packages that are needed and not there, one a line
    command -v "$python" >/dev/null || echo python3
    command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || echo g++
    command -v "$python" >/dev/null || { echo python3-venv && echo python3-dev && return; }
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || echo python3-dev
}

wished() {
    # graphviz is the package of `dot`
    for program in "${wishes[@]}"; do command -v "${program/graphviz/dot}" >/dev/null || echo "$program"; done
}

packages=$({ missing && wished; } | tr '\n' ' ')
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Debian packages: $packages"
    # shellcheck disable=SC2086 # one word a package
    { apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages >/dev/null; } ||
        echo "they could not be installed" >&2
fi
packages=$(missing | tr '\n' ' ')
if [ -n "$packages" ]; then
    echo "error: sonant needs system packages that are not here: $packages" >&2
    echo "       on Debian or Ubuntu: sudo apt-get install $packages" >&2
    exit 1
fi
"$python" - <<'PYTHON'
import sys

if sys.version_info < (3, 11):
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"error: {sys.executable} is Python {found}; sonant needs 3.11 or newer: make PYTHON=python3.11 ...")
PYTHON
