#!/usr/bin/env bash
# One door to the project: ./build.sh --help
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly caller=$PWD
cd "$root"

readonly rust_minimum=1.95
readonly dotnet_major=10
readonly results=$root/artifacts/test-results
readonly tests_project=tests/ZB.MOM.NatsNet.Server.Tests
readonly sample_project=dotnet-shim/samples/ThreeNodes
readonly bench_project=dotnet-shim/benchmarks
readonly generated=(c/nrg.h c/nrg_testing.h csharp/Nrg.Native.cs csharp/Nrg.Testing.cs
    csharp/Nrg.Constants.cs nrg.symbols.txt nrg_testing.symbols.txt)

# A file log of many small lines is no place for a build server that outlives the script.
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_USE_MSBUILD_SERVER=0
# The SDK itself has no use for cultures, and a bare machine no library for them.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false

usage() {
    cat <<'TEXT'
usage: ./build.sh TARGET [ARGUMENTS]

  run [FILE] [OPTIONS]  build everything, then replicate a file's lines over three nodes, kill the
                        leader, and compare the replicas (run --help: the sample's own options)
  test                  every test: Rust, C, C#, garbage-collector stress, the parity ledger
  check                 formatting, lints, drift of the generated bindings, an ahead-of-time build
  bindings              regenerate bindings/ from the sources of raft-ffi
  native                build libnatsraft in both flavours, ship and testing, into artifacts/
  parity                check tests/parity.toml against sources, symbols and the last test run;
                        write docs/parity.md
  sim [OPTIONS]         run seeds of the simulator: --seeds N --start S [--faults MIX] (sim --help)
  bench                 measure the engine (Rust) and what a C# caller sees
  --help                this text

NATSRAFT_NO_DOWNLOAD=1  install nothing: name the command that would, and end
TEXT
}

# --- what the machine needs ------------------------------------------------------------------

say() { printf '\n== %s\n' "$*"; }

# One line that says what is missing and what to run.
missing() {
    printf 'build.sh: %s is missing. Run: %s\n' "$1" "$2" >&2
    exit 1
}

downloads_allowed() { [[ ${NATSRAFT_NO_DOWNLOAD:-} != 1 ]]; }

answers() { command -v curl >/dev/null && curl -fsSLI --max-time 10 -o /dev/null "$1"; }

# apt_install COMMAND PACKAGE: the package that brings the command, unless it is there.
apt_install() {
    command -v "$1" >/dev/null && return
    local sudo=() line="sudo apt-get install -y $2"
    [[ $(id -u) == 0 ]] || sudo=(sudo -n)
    if ! downloads_allowed || ! command -v apt-get >/dev/null; then
        missing "$1" "$line"
    fi
    say "installing $2"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$2" >/dev/null 2>&1 ||
        { "${sudo[@]}" apt-get update -q >/dev/null 2>&1 &&
            "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -q "$2" >/dev/null; } || missing "$1" "$line"
    command -v "$1" >/dev/null || missing "$1" "$line"
}

need_cargo() {
    local url=https://sh.rustup.rs
    local line="curl -fsSL $url | sh -s -- -y --profile minimal -c rustfmt -c clippy"
    if ! command -v cargo >/dev/null; then
        downloads_allowed || missing cargo "$line"
        PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
        if ! command -v cargo >/dev/null; then
            apt_install curl curl
            answers "$url" || missing cargo "$line"
            say "installing Rust"
            curl -fsSL "$url" | sh -s -- -y --no-modify-path --profile minimal \
                -c rustfmt -c clippy || missing cargo "$line"
        fi
    fi
    rust_is_new_enough
    apt_install cc gcc
    find_crates
}

rust_is_new_enough() {
    local version
    version=$(rustc --version)
    [[ ${rust_told:-} ]] || echo "$version"
    rust_told=1
    version=$(cut -d' ' -f2 <<<"$version")
    [[ $(printf '%s\n' "$rust_minimum" "$version" | sort -V | head -n1) == "$rust_minimum" ]] ||
        missing "rustc $rust_minimum or newer (this is $version)" "rustup update stable"
}

need_dotnet() {
    local url=https://dot.net/v1/dotnet-install.sh
    local line="curl -fsSL $url | bash -s -- --channel $dotnet_major.0"
    has_sdk && return
    downloads_allowed || missing "dotnet (SDK $dotnet_major)" "$line"
    export DOTNET_ROOT=${DOTNET_ROOT:-$HOME/.dotnet}
    PATH=$DOTNET_ROOT:$PATH
    has_sdk && return
    apt_install curl curl
    answers "$url" || missing "dotnet (SDK $dotnet_major)" "$line"
    say "installing the .NET SDK"
    curl -fsSL "$url" | bash -s -- --channel "$dotnet_major.0" --install-dir "$DOTNET_ROOT" ||
        missing "dotnet (SDK $dotnet_major)" "$line"
}

has_sdk() { command -v dotnet >/dev/null && dotnet --list-sdks | grep -q "^$dotnet_major\."; }

dotnet_build() { dotnet build "$1" -c Release -v quiet; }

# A folder of crates beside the project is used in place of the network.
find_crates() {
    crates=()
    if [[ -d $root/../shared/crates/index ]]; then
        local folder
        folder=$(cd "$root/../shared/crates" && pwd)
        crates=(--config 'source.crates-io.replace-with="beside"'
            --config "source.beside.local-registry=\"$folder\"")
    fi
}

# The options follow the subcommand: clippy hands only those on to the cargo it calls.
run_cargo() {
    local subcommand=$1
    shift
    cargo "$subcommand" "${crates[@]}" --locked "$@"
}

# --- native ----------------------------------------------------------------------------------

rid() {
    local libc=
    case $(uname -s) in
    # Its own exit code says nothing: musl's ends with an error, as it has no such option.
    Linux) [[ $(ldd --version 2>&1 || true) == *musl* ]] && libc=musl- ;;
    Darwin) echo "osx-$(machine)" && return ;;
    esac
    echo "linux-$libc$(machine)"
}

machine() { case $(uname -m) in x86_64) echo x64 ;; *) echo arm64 ;; esac; }

library_file() { [[ $(uname -s) == Darwin ]] && echo libnatsraft.dylib || echo libnatsraft.so; }

native_dir() { echo "$root/artifacts/native$1/$(rid)"; }

target_native() {
    native ship ''
    native testing -testing --features testing
}

# native NAME SUFFIX [OPTIONS]: one flavour, in a target folder of its own.
native() {
    need_cargo
    export NATSRAFT_REVISION
    NATSRAFT_REVISION=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
    say "native: $1"
    run_cargo build --release -p raft-ffi --target-dir "target/$1" "${@:3}"
    place "target/$1/release" "$(native_dir "$2")"
}

# Copies the library beside its place and renames it: a mapped file must not change.
place() {
    local name
    mkdir -p "$2"
    for name in "$(library_file)" libnatsraft.a; do
        if ! cmp -s "$1/$name" "$2/$name"; then
            cp "$1/$name" "$2/.$name.new"
            mv -f "$2/.$name.new" "$2/$name"
        fi
    done
}

# --- bindings --------------------------------------------------------------------------------

target_bindings() {
    target_native
    generate bindings
    echo "bindings: written"
}

generate() {
    apt_install nm binutils
    say "bindings"
    run_cargo build --profile generator -p natsraft-bindings --target-dir target
    target/generator/natsraft-bindings raft-ffi/src "$1" \
        "$(native_dir '')/$(library_file)" "$(native_dir -testing)/$(library_file)"
}

bindings_are_current() {
    local fresh name drift=0
    fresh=$(mktemp -d)
    generate "$fresh"
    for name in "${generated[@]}"; do
        if ! diff -u "bindings/$name" "$fresh/$name"; then
            drift=1
        fi
    done
    rm -rf "$fresh"
    if ((drift)); then
        echo "bindings: out of date. Run ./build.sh bindings and commit the result." >&2
        return 1
    fi
    echo "bindings: current"
}

# --- check -----------------------------------------------------------------------------------

target_check() {
    need_cargo
    need_dotnet
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
        missing "rustfmt or clippy" "rustup component add rustfmt clippy"
    say "format"
    cargo fmt --all --check
    lint
    target_native
    bindings_are_current
    run_cargo test --profile generator -p natsraft-bindings --target-dir target
    say "dotnet build"
    dotnet_build NatsRaft.slnx
    ahead_of_time
    say "check: passed"
}

# Each feature alone and all together: a feature may only add.
lint() {
    local set
    for set in "" runtime sim testing; do
        say "clippy raft-core [$set]"
        run_cargo clippy -p raft-core --all-targets --no-default-features --features "$set" \
            --target-dir target -- -D warnings
    done
    for set in "" testing; do
        say "clippy raft-ffi [$set]"
        run_cargo clippy -p raft-ffi --all-targets --features "$set" \
            --target-dir target -- -D warnings
    done
    say "clippy, everything"
    run_cargo clippy --workspace --all-targets --all-features --target-dir target -- -D warnings
}

# The sample as one executable with the shipped engine inside: the link fails if anything public
# reaches a function that only the testing flavour has.
ahead_of_time() {
    local out=$root/artifacts/aot
    apt_install cc gcc
    say "ahead-of-time publish of the sample"
    rm -rf "$out"
    dotnet publish "$sample_project" -c Release -r "$(rid)" -o "$out" -v quiet \
        -p:PublishAot=true -p:NatsRaftStatic=true
    rm -f "$out/$(library_file)"
    "$out/ThreeNodes" --help >/dev/null
    echo "ahead of time: $(du -h "$out/ThreeNodes" | cut -f1)"
}

# --- test ------------------------------------------------------------------------------------

target_test() {
    need_cargo
    need_dotnet
    apt_install g++ g++
    apt_install valgrind valgrind
    target_native
    rm -rf "$results"
    mkdir -p "$results"
    run_cargo build -p judge --target-dir target
    missing_tools_are_named
    test_rust
    test_sim
    test_c
    test_dotnet
    test_sample
    stress_dotnet
    judge_parity
    say "closing lines"
    cat "$results"/*.closing
    say "test: passed"
}

# Each tool hidden in turn, build.sh has to say in one line what to run.
missing_tools_are_named() {
    say "missing tools are named"
    bash tests/build/missing_tools.sh | tee "$results/1-missing-tools.closing"
}

test_rust() {
    say "cargo test"
    # The generator's own tests are run by check, which has to build it anyway.
    run_cargo test --workspace --exclude natsraft-bindings --all-features --target-dir target \
        --no-fail-fast 2>&1 |
        tee "$results/cargo.log"
    {
        grep '^test result: ' "$results/cargo.log" | grep -v ' 0 passed; 0 failed'
        judge cargo "$results/cargo.log"
    } | tee "$results/2-cargo.closing"
    say "loom: the ready list in every order of its threads"
    RUSTFLAGS="--cfg loom" run_cargo test -p raft-core --lib --target-dir target/loom \
        ready::model 2>&1 | tee "$results/loom.log"
    grep -E '^test result: ok\. [1-9]' "$results/loom.log" | sed 's/^/loom: /' |
        tee "$results/2-loom.closing"
}

test_c() {
    local dir work
    dir=$(native_dir '')
    work=$results/c
    mkdir -p "$work"
    local strict=(-Wall -Wextra -Werror -pedantic -g -Ibindings/c)
    local static=("$dir/libnatsraft.a" -lpthread -ldl -lm)
    [[ $(uname -s) == Darwin ]] || static+=(-lgcc_s)
    local shared=(-L"$dir" -lnatsraft "-Wl,-rpath,$dir")
    say "C smoke"
    cc -std=c11 "${strict[@]}" tests/c/smoke.c -o "$work/c-shared" "${shared[@]}" -lpthread
    cc -std=c11 "${strict[@]}" tests/c/smoke.c -o "$work/c-static" "${static[@]}"
    g++ -std=c++17 "${strict[@]}" tests/c/smoke.cpp -o "$work/cpp-shared" "${shared[@]}" -lpthread
    g++ -std=c++17 "${strict[@]}" tests/c/smoke.cpp -o "$work/cpp-static" "${static[@]}"
    # The testing flavour's header is for white-box callers; it has to be C and C++ all the same.
    cc -std=c11 "${strict[@]}" -fsyntax-only -x c bindings/c/nrg_testing.h
    g++ -std=c++17 "${strict[@]}" -fsyntax-only -x c++ bindings/c/nrg_testing.h
    local program
    for program in c-shared c-static cpp-shared cpp-static; do
        timeout 120 "$work/$program"
    done
    timeout 300 valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite \
        --error-exitcode=9 "$work/c-shared"
    echo "C smoke: C11 and C++17, shared and static, and under valgrind: passed" |
        tee "$results/3-c.closing"
}

test_dotnet() {
    say "dotnet test"
    dotnet_build NatsRaft.slnx
    run_suite suite
    judged suite trx | tee "$results/4-dotnet.closing"
}

# The program behind run, over the shipped library: its own input, and any other text file.
test_sample() {
    say "sample"
    local options
    for options in "" README.md "--transport host"; do
        # shellcheck disable=SC2086 # Words, on purpose.
        dotnet run --project "$sample_project" -c Release --no-build -- $options |
            tee "$results/sample.log"
        grep -qE '^equal +yes$' "$results/sample.log"
    done
    echo "sample: equal replicas after losing the leader, with two inputs and over the host's bus" |
        tee "$results/5-sample.closing"
}

# The boundary tests again, under a collector that compacts all the time: in processes of their
# own, because the collector's settings are read when a process starts.
stress_dotnet() {
    say "dotnet test under stress: small generation 0"
    DOTNET_GCgen0size=10000 run_suite stress-small --filter "FullyQualifiedName~.Boundary."
    judged stress-small stress | tee "$results/5-stress-small.closing"
    say "dotnet test under stress: server collector"
    DOTNET_gcServer=1 DOTNET_GCgen0size=40000 \
        run_suite stress-server --filter "FullyQualifiedName~.Boundary."
    judged stress-server stress | tee "$results/6-stress-server.closing"
}

# run_suite NAME [OPTIONS]: the exit code goes to suite_exit; the judge has the last word.
run_suite() {
    suite_exit=0
    timeout 900 dotnet test "$tests_project" -c Release --no-build \
        --logger "trx;LogFileName=$1.trx" --results-directory "$results" \
        --blame-hang-timeout 5m --blame-hang-dump-type mini "${@:2}" 2>&1 |
        tee "$results/$1.log" || suite_exit=$?
}

# judged NAME KIND: the closing line of dotnet, then ours.
judged() {
    grep -E '^(Passed|Failed)!' "$results/$1.log" || true
    local verdict
    verdict=$(judge "$2" "$results/$1.trx" "$suite_exit")
    echo "$1: $verdict"
}

judge() { target/debug/judge "$@"; }

# --- parity ----------------------------------------------------------------------------------

target_parity() {
    need_cargo
    run_cargo build -p judge --target-dir target
    judge_parity
}

judge_parity() {
    say "parity"
    mkdir -p "$results"
    judge parity tests/parity.toml "$results/suite.trx" docs/parity.md |
        tee "$results/7-parity.closing"
}

# --- sim -------------------------------------------------------------------------------------

target_sim() {
    need_cargo
    build_sim
    target/release/sim "$@"
}

build_sim() {
    say "building the simulator"
    run_cargo build --release -p raft-core --features sim --bin sim --target-dir target
}

# Short seeds, on one core; the longest campaigns are in docs/measurements.md.
test_sim() {
    build_sim
    say "simulator"
    rm -rf "$results/sim"
    target/release/sim --seeds 1000 --jobs 1 --out "$results/sim" | tee "$results/sim.log"
    grep 'seeds/min' "$results/sim.log" | sed 's/^/sim: /' | tee "$results/2-sim.closing"
}

# --- run, bench ------------------------------------------------------------------------------

target_run() {
    need_cargo
    need_dotnet
    native ship ''
    say "run"
    dotnet_build "$sample_project"
    # Where the caller stands: a file may be named relative to it.
    cd "$caller"
    dotnet run --project "$root/$sample_project" -c Release --no-build -- "$@"
}

target_bench() {
    need_cargo
    need_dotnet
    native ship ''
    say "bench: Rust"
    run_cargo bench -p raft-core -p nrg --target-dir target
    say "bench: C#"
    dotnet_build "$bench_project"
    dotnet run --project "$bench_project" -c Release --no-build -- "$@"
}

# ---------------------------------------------------------------------------------------------

main() {
    local target=${1:---help}
    shift || true
    case $target in
    run | test | check | bindings | native | parity | sim | bench) "target_$target" "$@" ;;
    --help | -h | help) usage ;;
    *)
        echo "build.sh: no target '$target'" >&2
        usage >&2
        exit 2
        ;;
    esac
}

main "$@"
