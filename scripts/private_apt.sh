# Packages of the distribution's own archive, fetched with a private apt configuration: no package
# source is added to the system and none of its packages is replaced. Source it after common.sh.

codename="$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")"

# The distribution's own archive, as the system's configuration names it.
archive_uri() {
  apt-get "$@" indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
    awk -v codename="$codename" '$1 == "Debian" && $2 == codename { print $3; exit }'
}

# private_apt FOLDER TYPE SUITE…: makes `apt_options` an apt configuration that lies in FOLDER and
# knows the suites of the archive (TYPE deb or deb-src) alone, and reads their lists.
private_apt() {
  local folder="$1" type="$2" uri keyring='' suite
  shift 2
  mkdir -p "$folder/lists/partial" "$folder/archives/partial" "$folder/etc"
  uri="$(archive_uri)"
  if [ -z "$uri" ]; then
    # A machine whose package lists were cleared: read the system's sources into a private copy.
    mkdir -p "$folder/system/partial"
    apt-get -o "Dir::State::lists=$folder/system" -o Debug::NoLocking=1 update -qq
    uri="$(archive_uri -o "Dir::State::lists=$folder/system")"
  fi
  [ -n "$uri" ] || die "no Debian archive for '$codename' among the system's package sources"
  if [ -f /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    keyring='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] '
  fi
  for suite in "$@"; do
    printf '%s %s%s %s main\n' "$type" "$keyring" "$uri" "$suite"
  done >"$folder/etc/sources.list"
  apt_options=(
    -o "Dir::Etc::sourcelist=$folder/etc/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder" -o Dir::Cache::archives=archives
    -o Debug::NoLocking=1 -o APT::Sandbox::User= -o APT::Get::List-Cleanup=0
  )
  apt-get "${apt_options[@]}" update -qq
}
