# Shared by the scripts of this folder: source it, don't run it.
# Sets: root (the checkout), cache (what is downloaded or built once).

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="${ONNXQUANT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/onnxquant}"
mkdir -p "$cache/logs"

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
  exit 1
}

# Runs a command as root: as it is, or through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "'$*' needs root; run it as root, or install sudo"
  fi
}

# Prints those of the given packages that are not installed, one a line.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] ||
      printf '%s\n' "$package"
  done
}

# Installs what is missing; touches neither network nor apt when nothing is.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" -eq 0 ]; then
    say "all $# system packages are installed"
    return
  fi
  say "installing ${#missing[@]} system packages: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
}

# Prints a Python of at least 3.11 with the venv module: the system's before any other on PATH.
find_python() {
  local candidate
  for candidate in /usr/bin/python3 python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
      2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "no Python of at least 3.11 with its venv module found; install python3-venv"
}

# make_environment FOLDER REQUIREMENTS: a virtual environment that holds exactly what the pinned
# file says. A stamp with the file's hash makes the second run do nothing; it is written last, so
# that an interrupted run is completed by the next.
make_environment() {
  local folder="$1" requirements="$2" stamp hash
  stamp="$folder/.requirements.sha256"
  hash="$(sha256sum <"$requirements" | cut -d' ' -f1)"
  if [ -x "$folder/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then
    say "$folder is up to date"
    return
  fi
  if ! "$folder/bin/python" -c 'import pip' 2>/dev/null; then
    rm -rf "$folder"
    "$(find_python)" -m venv "$folder"
  fi
  say "installing $(basename "$requirements") into $folder"
  "$folder/bin/python" -m pip install -qq --disable-pip-version-check -r "$requirements"
  printf '%s\n' "$hash" >"$stamp"
}

# make_package_environment FOLDER REQUIREMENTS: the same, with the project's wheel in it and nothing
# else of the project.
make_package_environment() {
  local wheel
  wheel="$("$root/scripts/build_wheel.sh" | tail -n 1)"
  make_environment "$1" "$2"
  "$1/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --force-reinstall "$wheel"
}
