"""Chooses the detector's calibration and confidence threshold on validation patients.

Usage: calibrate.py REPORT   (a folder that `mammoscope evaluate VALIDATION --out REPORT --no-outlines` wrote)
Losses that weigh lesions heavily leave confidences near 1, so that Ms hardly tells a sure finding from an unsure one. An affine
change of the objectness logit (export.py --calibrate SLOPE SHIFT) and the threshold below which boxes are left out of Ms are
chosen together: of all that keep the fused candidates at lambda 0.6 at or below one false positive an image, the one that hits
most masses. Detections are not run again: the report's folder holds them down to a confidence of 0.01."""

import glob
import itertools
import json
import os
import sys

import numpy as np

from evaluate import candidates, fuse, is_hit

SLOPES, SHIFTS, THRESHOLDS = (0.5, 0.7, 1.0), (-3, -2, -1, 0, 1), (0.05, 0.1, 0.2, 0.3, 0.5)
LEVELS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
FALSE_POSITIVES = 1.0
# Boxes a scale of an image, on average. Choices that keep more are left out: fusing them takes minutes each.
MOST_BOXES = 12


def load(report):
    """Per image: boxes per scale (x0, y0, x1, y1, logit of the confidence), and the masses' boxes."""
    images = []
    for path in sorted(glob.glob(os.path.join(report, "images", "*.json"))):
        image = json.load(open(path))
        image = image.get("measured", image)
        rect = lambda r: [r["x0"], r["y0"], r["x1"], r["y1"]]
        logit = lambda c: float(np.log(c) - np.log1p(-min(c, 1 - 1e-7)))
        scales = [[[*rect(d["rect"]), logit(d["confidence"])] for d in s["detections"]] for s in image["scales"]]
        images.append((scales, [rect(m["rect"]) for m in image["masses"]]))
    return images


def judge(images, slope, shift, threshold, levels):
    """(hits, false positives per image) for each level of lambda."""
    hits, false = np.zeros(len(levels)), np.zeros(len(levels))
    for scales, masses in images:
        changed = [[[*b[:4], 1 / (1 + np.exp(-slope * b[4] - shift))] for b in s] for s in scales]
        fused = fuse([[b for b in s if b[4] >= threshold] for s in changed])
        for k, level in enumerate(levels):
            found = candidates(fused, level)
            hits[k] += sum(any(is_hit(c, m) for c in found) for m in masses)
            false[k] += sum(not any(is_hit(c, m) for m in masses) for c in found)
    return hits / sum(len(m) for _, m in images), false / len(images)


def main(report):
    images = load(report)
    print(len(images), "images,", sum(len(m) for _, m in images), "masses")
    results = []
    logits = np.array([b[4] for scales, _ in images for s in scales for b in s])
    for choice in itertools.product(SLOPES, SHIFTS, THRESHOLDS):
        weakest = (np.log(choice[2] / (1 - choice[2])) - choice[1]) / choice[0]
        boxes = (logits >= weakest).sum() / sum(len(scales) for scales, _ in images)
        if weakest < np.log(0.01 / 0.99) or boxes > MOST_BOXES:
            continue  # the report holds no boxes that weak, or there are too many
        hits, false = judge(images, *choice, (0.6,))
        results.append((hits[0] if false[0] <= FALSE_POSITIVES else -1.0, -false[0], choice))
    for _, _, choice in sorted(results, reverse=True)[:8]:
        hits, false = judge(images, *choice, LEVELS)
        line = "  ".join(f"{l}: {h:.2f} @ {f:.2f}" for l, h, f in zip(LEVELS, hits, false))
        print("slope %.1f shift %+.1f threshold %.2f | lambda: hits @ false per image  %s" % (*choice, line))


if __name__ == "__main__":
    main(*sys.argv[1:])
