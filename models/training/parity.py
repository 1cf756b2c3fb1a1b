"""Checks that training and reading see the same: the program's detections against this folder's network on the same images.

Usage: parity.py MAMMOSCOPE WEIGHTS IMAGE...
MAMMOSCOPE is the program, WEIGHTS a folder with yolov3.safetensors. Each image is read by `mammoscope read`, and prepared for
each size by `mammoscope prepare` for the PyTorch network in f32. Every box and confidence must agree to 1e-3 (boxes as
fractions of the image); a box whose confidence is that near the threshold may be missing on one side. Exit status 1 otherwise."""

import json
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import torch

from evaluate import suppress
from train_detector import READING
from weights import load_detector
from yolov3 import decode

TOLERANCE = 1e-3
THRESHOLD, IOU = 0.5, 0.45  # the program's defaults


def run(*arguments):
    subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.DEVNULL)


def expected(model, anchors, path, size):
    """Boxes (x0, y0, x1, y1, confidence) as fractions of the image, strongest first."""
    x = cv2.imread(path, cv2.IMREAD_UNCHANGED).astype(np.float32) / 65535
    with torch.no_grad():
        outputs = model(torch.from_numpy(x)[None, None].expand(-1, 3, -1, -1))
    found, net = [], torch.tensor([*size, *size])
    for boxes, objectness, classes in decode(outputs, anchors, size):
        confidence = objectness.sigmoid() * classes.sigmoid()
        keep = confidence >= THRESHOLD - TOLERANCE
        found += torch.cat([boxes[keep] / net, confidence[keep, None]], 1).tolist()
    return [[*(min(max(v, 0.0), 1.0) for v in b[:4]), b[4]] for b in suppress(found, IOU)]


def unmatched(some, others):
    """Of `some` those without an equal among `others`, and the largest difference of the rest."""
    left, largest = [], 0.0
    for a in some:
        nearest = min((max(abs(p - q) for p, q in zip(a, b)) for b in others), default=1.0)
        if nearest <= TOLERANCE:
            largest = max(largest, nearest)
        elif a[4] > THRESHOLD + TOLERANCE:
            left.append(a)
    return left, largest


def main(program, weights, *images):
    torch.set_num_threads(2)
    detector = os.path.join(weights, "yolov3.safetensors")
    model, anchors, _ = load_detector(detector)
    model.eval()
    boxes = wrong = 0
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        run(program, "read", *images, "--out", folder, "--detector", detector)
        for size in READING:
            run(program, "prepare", *images, "--out", os.path.join(folder, str(size[0])), "--size", f"{size[0]}x{size[1]}")
        for image in images:
            stem = os.path.splitext(os.path.basename(image))[0]
            result = json.load(open(os.path.join(folder, stem + ".json")))
            w, h = result["image"]["width"], result["image"]["height"]
            for scale, size in zip(result["scales"], READING):
                assert (scale["width"], scale["height"]) == size
                read = [[d["box"][0] / w, d["box"][1] / h, d["box"][2] / w, d["box"][3] / h, d["confidence"]] for d in scale["detections"]]
                trained = expected(model, anchors, os.path.join(folder, str(size[0]), stem + ".png"), size)
                for some, others, name in ((read, trained, "only read has"), (trained, read, "only the training code has")):
                    left, largest = unmatched(some, others)
                    worst, wrong = max(worst, largest), wrong + len(left)
                    for box in left:
                        print(f"{stem} at {size}: {name} {np.round(box, 4).tolist()}")
                boxes += len(read)
    print(f"{len(images)} images, {boxes} boxes at five sizes; largest difference {worst:.1e}; {wrong} boxes without their equal")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
