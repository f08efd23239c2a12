#!/usr/bin/env bash
# Checks this engine on the machine's NVIDIA device, or on the emulator, and writes one report. README.md says what it does.
set -u

usage() {
  cat <<TEXT
run.sh [--minutes N] [--step-seconds N] [--emulator] [--out FILE]

Checks the engine on this machine's first NVIDIA device and writes a report. Needs the NVIDIA driver and gzip; ptxas, nvidia-smi,
compute-sanitizer and ncu are used where they are on the PATH or in /usr/local/cuda/bin.

  --minutes N   ends within so many minutes, 0.25 at least, whatever happens (default 4); the most telling steps come first
  --step-seconds N  no step gets more than so many seconds, whatever its own limit
  --emulator    tries the same on the emulator, without a device: nothing is timed
  --out FILE    the report (default: report.md beside this file)

Exit code: 0 if every step that ran passed, 1 if one failed or ran out of time, 2 for a wrong call.
TEXT
}

minutes=4 longest=999 emulator=false here=$(cd "$(dirname "$0")" && pwd)
report=$here/report.md
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) minutes=${2:-}; shift 2 || { echo "run.sh: --minutes needs a number" >&2; exit 2; } ;;
    --step-seconds) longest=${2:-}; shift 2 || { echo "run.sh: --step-seconds needs a number" >&2; exit 2; } ;;
    --emulator) emulator=true; shift ;;
    --out) report=${2:-}; shift 2 || { echo "run.sh: --out needs a file" >&2; exit 2; } ;;
    -h | --help) usage; exit 0 ;;
    *) echo "run.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
  esac
done
[[ $minutes =~ ^[0-9]{1,3}(\.[0-9]{1,2})?$ ]] && seconds=$(awk "BEGIN { print int(60 * $minutes) }") && [ "$seconds" -ge 15 ] ||
  { echo "run.sh: --minutes takes a number from 0.25 to 999, not '$minutes'" >&2; exit 2; }
[[ $longest =~ ^[1-9][0-9]{0,2}$ ]] || { echo "run.sh: --step-seconds takes a whole number from 1 to 999, not '$longest'" >&2; exit 2; }
[ -n "$report" ] || { echo "run.sh: --out needs a file" >&2; exit 2; }

for file in "$here"/golden/*/*.gz; do
  [ ! -f "$file" ] || gunzip -f "$file" || { echo "run.sh: cannot unpack $file" >&2; exit 2; }
done

export PATH=$PATH:/usr/local/cuda/bin DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
llama4=$here/bin/llama4 golden=$here/golden
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
# Room to stop a step that does not end by itself, and to write the report.
readonly margin=8
deadline=$((SECONDS + seconds - margin))
if $emulator; then backend=emulator device=--emulator; else backend=cuda device=; fi
failed=0 passed=0 skipped=0

has() { command -v "$1" >/dev/null 2>&1; }
write() { printf '%s\n' "$@" >>"$report"; }

# step NAME SECONDS COMMAND...: runs it, at most so long and not beyond the deadline, and reports how it ended and what it printed.
step() {
  local name=$1 cap=$2 left=$((deadline - SECONDS)) start=$SECONDS status result
  shift 2
  if [ "$left" -lt 3 ]; then
    skipped=$((skipped + 1)); write "" "## $name: skipped, the time is up"; echo "skipped  $name: the time is up"; return
  fi
  [ "$cap" -le "$longest" ] || cap=$longest
  [ "$cap" -le "$left" ] || cap=$left
  timeout -k 3 "$cap" "$@" >"$work/out" 2>&1
  status=$?
  case $status in
    0) result=passed; passed=$((passed + 1)) ;;
    124 | 137) result="ran out of its $cap s"; failed=$((failed + 1)) ;;
    *) result="FAILED with exit code $status"; failed=$((failed + 1)) ;;
  esac
  { printf '\n## %s: %s (%d s)\n\n```\n' "$name" "$result" $((SECONDS - start)); head -c 60000 "$work/out" | sed 's/```/` ` `/'; printf '\n```\n'; } >>"$report"
  printf '%-8s %s (%d s)\n' "$([ "$result" = passed ] && echo ok || echo FAILED)" "$name: $result" $((SECONDS - start))
}

# tool NAME COMMAND...: the same for a tool that this machine may lack.
tool() {
  local name=$1 cap=$2 program=$3
  if has "$program"; then step "$@"; else write "" "## $name: skipped, there is no $program"; echo "skipped  $name: there is no $program"; skipped=$((skipped + 1)); fi
}

verify() { # CHECKPOINT REFERENCE [OPTION...]
  local name=$1 reference=$2; shift 2
  [ -f "$golden/$name/golden/$reference.safetensors" ] || return 0
  step "verify $name $reference${*:+ $*}" 40 "$llama4" verify "$golden/$name" --golden "$golden/$name/golden/$reference.safetensors" --backend $backend "$@"
}

assemble() { # every module for the device's target, with what the assembler says of registers and spills
  local target=$1 wrong=0 file
  for file in "$work"/modules/*.ptx; do
    ptxas -v -arch="$target" "$file" -o /dev/null >"$work/ptxas" 2>&1 || wrong=$((wrong + 1))
    echo "$(basename "$file"): $(grep -oE 'Used [0-9]+ registers|[1-9][0-9]* bytes spill (stores|loads)|(warning|error|fatal).*' "$work/ptxas" | tr '\n' ';')"
  done
  return $((wrong > 0))
}
export -f assemble; export work

: >"$report" || { echo "run.sh: cannot write $report" >&2; exit 2; }
write "# Device check" "" "$(date -u +%Y-%m-%d\ %H:%M) UTC, llama4 $(cat "$here/version.txt" 2>/dev/null || echo of an unknown version), at most $minutes minutes, backend $backend"
$emulator || tool "device" 10 nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.draw,power.limit --format=csv

# 1. What decides everything else: do modules load, are operations right, how fast are they.
step "doctor: modules, operations against the CPU, times beside predictions" 75 "$llama4" doctor $device
verify tiny-scout text-5
verify tiny-scout int4 --weights int4
# 2. The time model's constants.
step "calibrate: read bandwidth, launch gaps, matrix rate" 30 "$llama4" calibrate $device
# 3. The other models, longer texts through graphs.
verify tiny-fp8 text-5
verify tiny-maverick text-5
verify tiny-fp8 fp8
verify tiny-scout text-40
verify tiny-fp8 text-40
$emulator || step "bench of a small model" 20 "$llama4" bench --model "$golden/tiny-scout" -p 256 -n 64 --backend $backend
# 4. Other tools' opinions.
if has ptxas; then
  target=sm_$({ nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null || echo 9.0; } | head -n 1 | tr -d .)
  step "ptx dump" 20 "$llama4" ptx dump --sm "${target#sm_}" --out "$work/modules"
  step "ptxas -arch=$target: registers, spills, warnings" 60 bash -c "assemble $target"
else
  tool "ptxas" 1 ptxas
fi
if ! $emulator; then
  small=("$llama4" verify "$golden/tiny-scout" --golden "$golden/tiny-scout/golden/text-5.safetensors" --backend cuda)
  for check in memcheck racecheck synccheck initcheck; do
    tool "compute-sanitizer $check" 45 compute-sanitizer --tool $check --print-limit 20 --error-exitcode 1 "${small[@]}"
  done
  tool "ncu: counters of the products" 45 ncu --clock-control none -c 12 -k regex:'matvec|matmul|attention|expert' \
    --metrics gpu__time_duration.sum,dram__throughput.avg.pct_of_peak_sustained_elapsed,sm__inst_executed.avg.per_cycle_elapsed,sm__warps_active.avg.pct_of_peak_sustained_active "${small[@]}"
fi

write "" "## Result" "" "$passed steps passed, $failed failed, $skipped skipped, in $SECONDS s."
echo "$passed steps passed, $failed failed, $skipped skipped; the report is $report"
[ "$failed" -eq 0 ]
