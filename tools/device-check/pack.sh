#!/usr/bin/env bash
# Makes one folder that checks this engine on a machine with an NVIDIA driver and nothing else: see README.md beside this file.
set -euo pipefail

usage() {
  cat <<TEXT
pack.sh [--out FOLDER] [--emulated]

Publishes llama4 as a native program for x86-64-v3 with all device kernels, and puts it with three small checkpoints,
their reference values and run.sh into FOLDER (default: device-check, which must not exist). At most 40 MB.

  --emulated  the folder is for trying run.sh on the emulator: references that the emulator takes minutes for stay out
TEXT
}

out=device-check emulated=false
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out needs a folder}; shift 2 ;;
    --emulated) emulated=true; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "pack.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
  esac
done
[ -e "$out" ] && { echo "pack.sh: $out is there already; remove it or name another with --out." >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$here/../.." && pwd)
mkdir -p "$out" && out=$(cd "$out" && pwd)

# The ahead-of-time compiler assumes an old processor unless it is told.
dotnet publish "$root/tools/llama4" -c Release -r linux-x64 -p:PublishAot=true -p:IlcInstructionSet=x86-64-v3 -o "$out/bin" >"$out/publish.log" 2>&1 ||
  { tail -n 20 "$out/publish.log" >&2; echo "pack.sh: publishing failed; the whole log is $out/publish.log" >&2; exit 1; }
# The sample model and pictures have no part in the check.
rm -rf "$out"/bin/*.dbg "$out"/bin/*.pdb "$out"/bin/*.xml "$out/bin/sample-model" "$out/bin/libSkiaSharp.so" "$out/publish.log"

golden=$root/Tests/Golden
copy() { # CHECKPOINT REFERENCE...: the checkpoint and these of its references
  local name=$1 file; shift
  mkdir -p "$out/golden/$name/golden"
  find "$golden/$name" -maxdepth 1 -type f -exec cp -t "$out/golden/$name" {} +
  for file; do cp "$golden/$name/golden/$file.safetensors" "$out/golden/$name/golden/"; done
}
if $emulated; then
  copy tiny-scout text-5 int4
  copy tiny-fp8 text-5
  copy tiny-maverick text-5
else
  copy tiny-scout text-5 text-40 int4
  copy tiny-fp8 text-5 text-40 fp8
  copy tiny-maverick text-5
fi
# A fifth smaller so; run.sh unpacks them.
gzip -9 "$out"/golden/*/*.safetensors
cp "$here/run.sh" "$here/README.md" "$out/"
git -C "$root" describe --always --dirty >"$out/version.txt" 2>/dev/null || echo unknown >"$out/version.txt"
size=$(du -sm "$out" | cut -f 1)
[ "$size" -le 40 ] || { echo "pack.sh: $out has $size MB; 40 is the limit." >&2; exit 1; }
echo "$out has $size MB. On the machine with the device: bash run.sh"
