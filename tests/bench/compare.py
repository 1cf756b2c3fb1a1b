"""Times the program's networks beside PyTorch, ONNX Runtime and OpenVINO: the same weights, the same inputs, in turn.

Run from the repository's root after `cargo build --release`, with nothing else running:
    python3 -m venv venv && venv/bin/pip install -r tests/bench/requirements.txt
    venv/bin/python tests/bench/compare.py --network yolov3 --threads 2
    venv/bin/python tests/bench/compare.py --network unetpp --threads 2

The inputs are the demonstration case at YOLOv3's five sizes and the patch around its first mass. A round runs every engine
once, the program as a process of its own after an untimed run, and the order moves on by one from round to round; the
figures are medians. Each peer gets its best: batch norm folded in, static shapes, inference mode, graph optimisation, warmed
up. Every engine's outputs are compared with PyTorch's in f32: the largest difference in units of their root mean square,
per output; in f32 it may be 1e-3. The exit status is 1 where one differs more.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(160, 320), (256, 512), (320, 640), (416, 832), (480, 960)]
PATCH = 256
TOLERANCE = 1e-3
OURS = {"f32": "Mammoscope, f32", "reduced": "Mammoscope, reduced"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=["yolov3", "unetpp"], required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=ROOT / "target/release/mammoscope", type=Path)
    parser.add_argument("--engines", nargs="+", default=[""], help="only those whose names hold one of these")
    parser.add_argument("--cache", type=Path, help="a folder in which compiled networks are kept from run to run")
    parser.add_argument("--json", type=Path, help="write all times into this file")
    parsed = parser.parse_args()
    parsed.program = parsed.program.resolve()
    return parsed


ARGS = arguments()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)

import numpy as np  # noqa: E402, the threads are read on import
import onnxruntime  # noqa: E402
import openvino  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.fusion import fuse_conv_bn_eval  # noqa: E402

sys.path.insert(0, str(ROOT / "models/training"))
from weights import load_detector, load_segmenter  # noqa: E402

torch.set_num_threads(ARGS.threads)


def network():
    """The PyTorch model with batch norm folded in."""
    if ARGS.network == "yolov3":
        model = load_detector(ROOT / "models/yolov3.safetensors")[0].eval()
        for block in model.convs:
            if not block.head:
                block.conv, block.bn = fuse_conv_bn_eval(block.conv, block.bn), nn.Identity()
    else:
        model = load_segmenter(ROOT / "models/unetpp.safetensors")[0].eval()
        for node in model.nodes.values():
            node.conv1, node.bn1 = fuse_conv_bn_eval(node.conv1, node.bn1), nn.Identity()
            node.conv2, node.bn2 = fuse_conv_bn_eval(node.conv2, node.bn2), nn.Identity()
    return model.requires_grad_(False)


def inputs(folder):
    """The grey images [H, W] by name, as the program's own preparation gives them; also written for the program."""
    case = ROOT / "assets/demo/demo.dcm"
    images = {}
    if ARGS.network == "yolov3":
        for w, h in SIZES:
            prepare = ["prepare", case, "--out", folder / "prepared", "--size", f"{w}x{h}", "--array", "demo"]
            subprocess.run([ARGS.program, *prepare], check=True)
            pixels = np.fromfile(folder / "prepared/demo.u8", np.uint8).reshape(h, w)
            images[f"yolov3-{w}x{h}"] = pixels.astype(np.float32) / 255
    else:
        subprocess.run([ARGS.program, "prepare", case, "--out", folder / "prepared"], check=True)
        pixels = np.asarray(Image.open(folder / "prepared/demo-patch-1.png"))
        images[f"unetpp-{PATCH}x{PATCH}"] = pixels.astype(np.float32) / 65535
    (folder / "in").mkdir()
    for name, image in images.items():
        image.astype("<f4").tofile(folder / "in" / f"{name}.f32")
    return images


class Ours:
    """A process per round."""

    def __init__(self, folder, shapes, precision):
        self.folder, self.shapes, self.precision, self.report = folder, shapes, precision, None

    def run(self):
        """The outputs by name of the input, and the milliseconds of each."""
        report = self.folder / "report.json"
        command = ["bench", "--inputs", self.folder / "in", "--outputs", self.folder / "out", "--json", report]
        command += ["--repetitions", "1", "--threads", str(ARGS.threads), "--device", "cpu"]
        command += ["--precision", self.precision]
        subprocess.run([ARGS.program, *command], check=True, stdout=subprocess.DEVNULL)
        self.report = json.loads(report.read_text())
        times = {stage["name"]: stage["median_ms"] for stage in self.report["cases"][0]["stages"]}
        outputs = {}
        for name, shapes in self.shapes.items():
            values = np.fromfile(self.folder / "out" / f"{name}.f32", "<f4")
            ends = np.cumsum([np.prod(shape) for shape in shapes])
            outputs[name] = [part.reshape(shape) for part, shape in zip(np.split(values, ends), shapes)]
        return outputs, times


class Peer:
    """Functions from nothing to a list of arrays, one for each input."""

    def __init__(self, functions):
        self.functions = functions
        self.run()  # Not timed: memory is taken, weights are packed.

    def run(self):
        outputs, times = {}, {}
        for name, function in self.functions.items():
            start = time.perf_counter()
            outputs[name] = function()
            times[name] = (time.perf_counter() - start) * 1e3
        return outputs, times


def tensor(image, layout=torch.contiguous_format):
    """[1, 3, H, W] of equal channels."""
    return torch.from_numpy(np.repeat(image[None, None], 3, 1)).to(memory_format=layout)


def as_list(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def pytorch(images, layout=torch.channels_last, dtype=torch.float32, autocast=False, frozen=False):
    model = network().to(memory_format=layout)
    if not autocast:
        model = model.to(dtype)

    def function(image):
        x = tensor(image, layout).to(torch.float32 if autocast else dtype)
        run = model
        if frozen:
            with torch.inference_mode():
                run = torch.jit.optimize_for_inference(torch.jit.trace(model, x, check_trace=False))

        def call():
            with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=autocast):
                return [output.float().numpy() for output in as_list(run(x))]

        return call

    return Peer({name: function(image) for name, image in images.items()})


def exported(images, folder):
    """ONNX files with static shapes."""
    model, paths = network(), {}
    for name, image in images.items():
        paths[name] = folder / f"{name}.onnx"
        torch.onnx.export(model, (tensor(image),), paths[name], dynamo=False, opset_version=17, input_names=["x"])
    return paths


def onnx_runtime(images, paths):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = ARGS.threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL

    def function(name):
        session = onnxruntime.InferenceSession(paths[name], options, providers=["CPUExecutionProvider"])
        x = tensor(images[name]).numpy()
        return lambda: session.run(None, {"x": x})

    return Peer({name: function(name) for name in images})


def open_vino(images, paths, precision):
    core = openvino.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": ARGS.threads,
        "INFERENCE_PRECISION_HINT": precision,
    }
    if ARGS.cache:
        core.set_property({"CACHE_DIR": str(ARGS.cache)})

    def function(name):
        request = core.compile_model(core.read_model(paths[name]), "CPU", options).create_infer_request()
        x = tensor(images[name]).numpy()

        def call():
            request.infer([x], share_inputs=True)
            return [np.array(output.data) for output in request.output_tensors]

        return call

    return Peer({name: function(name) for name in images})


def engines(images, folder, shapes):
    """Builders by name; names of reduced precision end in it."""
    paths = exported(images, folder)
    plain, bf16, f16 = torch.contiguous_format, torch.bfloat16, torch.float16
    return {
        **{name: lambda p=precision: Ours(folder, shapes, p) for precision, name in OURS.items()},
        "PyTorch, plain layout, f32": lambda: pytorch(images, plain),
        "PyTorch, channels last, f32": lambda: pytorch(images),
        "PyTorch, channels last, frozen, f32": lambda: pytorch(images, frozen=True),
        "ONNX Runtime, f32": lambda: onnx_runtime(images, paths),
        "OpenVINO, f32": lambda: open_vino(images, paths, "f32"),
        "PyTorch, channels last, autocast bf16": lambda: pytorch(images, dtype=bf16, autocast=True),
        "PyTorch, channels last, bf16": lambda: pytorch(images, dtype=bf16),
        "PyTorch, channels last, f16": lambda: pytorch(images, dtype=f16),
        "OpenVINO, bf16": lambda: open_vino(images, paths, "bf16"),
        "OpenVINO, f16": lambda: open_vino(images, paths, "f16"),
    }


def is_f32(name):
    return name.endswith("f32")


def difference(outputs, reference):
    """The largest over all inputs and outputs; not a number where an output is not one."""
    each = []
    for name, arrays in reference.items():
        for found, wanted in zip(outputs[name], arrays, strict=True):
            rms = np.sqrt(np.mean(np.square(wanted, dtype=np.float64)))
            each.append(np.abs(found - wanted).max() / rms)
    return float(np.max(each))


def measure(built):
    """All rounds: by engine the times of each round, summed over the inputs and each alone, and the last outputs."""
    order = list(built)
    rounds, outputs = {name: [] for name in order}, {}
    for number in range(ARGS.rounds):
        at = number % len(order)
        for name in order[at:] + order[:at]:
            # Other engines' threads wait for work at full speed a moment longer.
            time.sleep(0.1)
            outputs[name], times = built[name].run()
            rounds[name].append(times)
    return rounds, outputs


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = inputs(folder)
        model = network()
        with torch.inference_mode():
            reference = {n: [o.numpy() for o in as_list(model(tensor(i)))] for n, i in images.items()}
        shapes = {n: [o.shape for o in arrays] for n, arrays in reference.items()}
        built = {}
        for name, build in engines(images, folder, shapes).items():
            if name in OURS.values() or any(part in name for part in ARGS.engines):
                built[name] = build()
        rounds, outputs = measure(built)
        programs = {name: built[name].report for name in OURS.values()}

    total = {name: float(np.median([sum(times.values()) for times in rounds[name]])) for name in built}
    peers = [name for name in built if name not in OURS.values()]
    devices = " and ".join(report["device"] for report in programs.values())
    processor = programs[OURS["f32"]]["processor"]
    print(f"{ARGS.network}, {ARGS.threads} thread(s), {ARGS.rounds} rounds, {processor}, ours on {devices}")
    print(f"{'engine':<40} {'ms':>8} {'difference':>11}")
    failed = False
    for name in sorted(built, key=total.get):
        off = difference(outputs[name], reference)
        failed |= is_f32(name) and not off <= TOLERANCE
        print(f"{name:<40} {total[name]:>8.0f} {off:>11.1e}")
    for precision, chosen in (("f32", list(filter(is_f32, peers))), ("reduced", peers)):
        fastest = min(chosen, key=total.get, default=None)
        if fastest:
            kind = "f32" if precision == "f32" else "any precision"
            ratio = total[OURS[precision]] / total[fastest]
            print(f"ours in {precision} to the fastest peer of {kind} ({fastest}): {ratio:.2f}")
    if ARGS.json:
        ARGS.json.write_text(json.dumps({"programs": programs, "rounds": rounds}, indent=1))
    if failed:
        sys.exit("The outputs in f32 differ by more than they may.")


main()
