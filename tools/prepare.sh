#!/bin/sh
# Sees to what `make` needs before there is a virtual environment: python3 >= 3.11 with venv, a C compiler, libseccomp.
# Usage: tools/prepare.sh [PYTHON]   As root on Debian or Ubuntu it installs what is missing; otherwise it says what to install.
set -eu
python=${1:-python3}

if ! command -v "$python" >/dev/null; then
    echo "prepare: $python is not on PATH: install Python 3.11 or newer, or say make PYTHON3=/path/to/python3" >&2
    exit 1
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "prepare: $("$python" --version 2>&1) is too old, 3.11 is needed; say make PYTHON3=/path/to/a/newer/python3" >&2
    exit 1
}

missing=""
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    missing="$missing $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
compiler=${CC:-}
for name in cc gcc clang tcc; do
    compiler=${compiler:-$(command -v "$name" || true)}
done
[ -n "$compiler" ] || missing="$missing gcc libc6-dev"
"$python" -c 'import ctypes; ctypes.CDLL("libseccomp.so.2")' 2>/dev/null || missing="$missing libseccomp2"

installs() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
install() { DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null; }

if [ -n "$missing" ] && ! installs; then
    echo "prepare: missing:$missing; install them as root (apt-get install$missing), then run make again" >&2
    exit 1
fi
# not needed, but a helper linked with musl starts in a fifth of the time: taken along where it costs one package
musl=""
[ -n "${CC:-}" ] || command -v musl-gcc >/dev/null || musl=" musl-tools"
if installs && [ -n "$missing$musl" ]; then
    echo "prepare: installing$missing$musl"
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of words
    [ -z "$missing" ] || install $missing
    [ -z "$musl" ] || install musl-tools || echo "prepare: without musl-tools the helper starts a little slower"
fi
