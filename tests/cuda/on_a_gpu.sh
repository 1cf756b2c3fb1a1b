#!/bin/sh
# On a machine with an NVIDIA GPU, PyTorch and no Rust: the GPU tests with their timings, one read, and PyTorch's time beside it.
#
#   sh tests/cuda/on_a_gpu.sh MAMMOSCOPE [TESTS]
#
# MAMMOSCOPE is the program built as packaging/cuda/README.md says; TESTS the test binary of the same build (`cargo test --release
# --features cuda --no-run` names it). The CUDA libraries come from PyPI's packages of the Python that `PYTHON` names.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
# The weights and the demonstration case are those of this tree, wherever the program was built.
export MAMMOSCOPE_HOME="$here"
libraries=$("$python" -c 'import glob, site, sysconfig
roots = {sysconfig.get_path("purelib"), *site.getsitepackages()}
print(":".join(path for root in roots for path in sorted(glob.glob(root + "/nvidia/*/lib"))))')
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || echo "nvidia-smi does not answer"
failed=0
if [ $# -gt 1 ]; then
  "$2" gpu:: --nocapture --test-threads=1 || failed=1
fi
out=$(mktemp -d)
for device in cuda cpu; do
  "$1" read "$here/assets/demo/demo.dcm" --out "$out/$device" --device $device || failed=1
  "$python" -c 'import json, sys
report = json.load(open(sys.argv[1]))
print(report["device"], report["timings_ms"])
print([(f["box"], round(f["score"], 3), f["area_px"]) for f in report["findings"]])' "$out/$device/demo.json" || failed=1
done
rm -r "$out"
"$python" "$here/tests/cuda/torch_time.py" || failed=1
exit $failed
