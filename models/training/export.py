"""Writes the weights files that the program reads, 8 bits a weight, and checks them.

Usage: export.py FOLDER OUT [--only detector|segmenter]
The running means of the weights are taken; the batch norms' statistics are measured anew with them, on training images of
the sizes that are read. Each convolution's weights become `X.weight` (I8) with `X.weight.scale` (F32, one factor per output
channel, value = integer x factor); biases and batch norms stay F32. The exported file is read back and compared with the
model on one input."""

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch
from safetensors.numpy import save_file

import data
from patches import Patches, load_real
from train_detector import READING
from unetpp import UnetPP
from weights import load_detector, load_segmenter, quantise
from yolov3 import HEADS, Yolov3


def measure_norms(model, batches):
    """Sets every batch norm's statistics to the mean over `batches`."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for n in norms:
        n.reset_running_stats()
        n.momentum = None
    model.train()
    with torch.no_grad():
        for x in batches:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                model(x)
    model.eval()


def calibrate(model, slope, shift):
    """Changes the objectness logit t of every head to slope * t + shift (calibrate.py chooses both)."""
    with torch.no_grad():
        for head in HEADS:
            conv = model.convs[head].conv
            conv.weight[4::6] *= slope
            conv.bias[4::6] = slope * conv.bias[4::6] + shift


def detector(folder, rounds=4):
    state = torch.load(os.path.join(folder, "detector.pt"), map_location="cpu", weights_only=True)
    model = Yolov3()
    model.load_state_dict(state["average"])
    model = model.to(memory_format=torch.channels_last)
    pools, masses, rng = data.load_pools(folder)["train"], data.load_masses(folder), np.random.default_rng(7)

    def batches():
        for _ in range(rounds):
            for size, count in zip(READING, (12, 6, 4, 3, 2)):
                items = [data.sample(rng, pools, masses, size, size, 0.45, 2, 0.14)[0] for _ in range(count)]
                x = torch.from_numpy(np.stack(items))[:, None].expand(-1, 3, -1, -1)
                yield x.contiguous(memory_format=torch.channels_last)

    measure_norms(model, batches())
    anchors = [[round(float(v), 5) for v in a] for a in state["anchors"]]
    metadata = {
        "format": "mammoscope-yolov3",
        "name": "YOLOv3 mass detector 2026-11",
        "classes": "1",
        "anchor_units": "fraction",
        "anchors": json.dumps(anchors),
    }
    return model, metadata, state["step"]


def segmenter(folder, source, batches_of=2, count=16):
    state = torch.load(os.path.join(folder, "segmenter.pt"), map_location="cpu", weights_only=True)
    model = UnetPP()
    model.load_state_dict(state["average"])
    model = model.to(memory_format=torch.channels_last)
    patches, rng = Patches(folder, load_real(folder, source)), np.random.default_rng(7)

    def batches():
        for _ in range(count):
            x = torch.from_numpy(np.stack([patches.pick(rng, 256)[0] for _ in range(batches_of)]))
            yield x[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)

    measure_norms(model, batches())
    metadata = {"format": "mammoscope-unetpp", "name": "VGG-19 U-Net++ mass segmenter 2026-11"}
    return model, metadata, state["step"]


def write(model, metadata, path, load, size):
    save_file(quantise(model.exported()), path + ".new", metadata)
    os.replace(path + ".new", path)
    x = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1)).expand(-1, 3, -1, -1)
    with torch.no_grad():
        a, b = model.float()(x), load(path)[0].eval()(x)
    a, b = (torch.cat([t.flatten() for t in (v if isinstance(v, list) else [v])]) for v in (a, b))
    print(path, os.path.getsize(path) >> 20, "MB; largest change of a raw output by 8 bits:", float((a - b).abs().max()), "of", float(a.abs().max()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("source")
    parser.add_argument("out")
    parser.add_argument("--only", choices=["detector", "segmenter"])
    parser.add_argument("--calibrate", type=float, nargs=2, default=(1.0, 0.0), metavar=("SLOPE", "SHIFT"))
    parser.add_argument("--rounds", type=int, default=4, help="how often the batch norms see each size")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(1)
    if args.only != "segmenter":
        model, metadata, step = detector(args.folder, args.rounds)
        calibrate(model, *args.calibrate)
        metadata.update(step=str(step), calibration=json.dumps(args.calibrate))
        write(model, metadata, os.path.join(args.out, "yolov3.safetensors"), load_detector, (320, 160))
    if args.only != "detector":
        model, metadata, step = segmenter(args.folder, args.source, count=4 * args.rounds)
        metadata["step"] = str(step)
        write(model, metadata, os.path.join(args.out, "unetpp.safetensors"), load_segmenter, (64, 64))


if __name__ == "__main__":
    main()
