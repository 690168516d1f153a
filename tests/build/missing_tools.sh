#!/usr/bin/env bash
# Hides cargo, then dotnet, from PATH and reads what build.sh says about it: one line that names
# the tool and the command that brings it, and nothing is installed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# A PATH with every command of the present one but those of a name, by links.
path_without() {
    local hidden=$1 folder=$2 dir command
    IFS=: read -ra dirs <<<"$PATH"
    for dir in "${dirs[@]}"; do
        [[ -d $dir ]] || continue
        for command in "$dir"/*; do
            [[ -x $command && ! -d $command ]] || continue
            [[ ${command##*/} == "$hidden" || -e $folder/${command##*/} ]] && continue
            ln -s "$command" "$folder/${command##*/}"
        done
    done
}

expect_line() {
    local tool=$1 target=$2 wanted=$3 folder said status=0
    folder=$(mktemp -d)
    path_without "$tool" "$folder"
    said=$(PATH=$folder NATSRAFT_NO_DOWNLOAD=1 "$root/build.sh" "$target" 2>&1 >/dev/null) ||
        status=$?
    rm -rf "$folder"
    if [[ $status != 1 || $said != "build.sh: $tool"*"is missing. Run: "*"$wanted"* ||
        $said == *$'\n'* ]]; then
        printf 'without %s, ./build.sh %s ended with %s and said:\n%s\n' \
            "$tool" "$target" "$status" "$said" >&2
        exit 1
    fi
}

expect_line cargo native https://sh.rustup.rs
expect_line dotnet test https://dot.net/v1/dotnet-install.sh
echo "missing tools: cargo and dotnet are named with the command that brings them: passed"
