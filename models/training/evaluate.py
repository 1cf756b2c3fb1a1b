"""Judges exported weights on the validation part: AP at IoU 0.5, hits and false positives of the fused map, Dice.

Usage: evaluate.py FOLDER DATA WEIGHTS [--images 40] [--only detector|segmenter] [--pool film]
The fusion is the method's: five sizes, suppression within each, Ms = sum of c / (5 max c), on the grid of box edges.
Hit: the candidate's centre lies in the lesion's box, or their IoU is at least 0.2."""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
import cv2
import numpy as np
import torch
from scipy import ndimage

import data
from patches import Patches, load_real
from train_detector import READING
from weights import load_detector, load_segmenter
from yolov3 import decode


def iou(a, b):
    x0, y0, x1, y1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    common = max(0, x1 - x0) * max(0, y1 - y0)
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    return common / (area(a) + area(b) - common + 1e-12)


def suppress(boxes, limit):
    kept = []
    for b in sorted(boxes, key=lambda b: -b[4]):
        if all(iou(b, k) <= limit for k in kept):
            kept.append(b)
    return kept


def detect(model, anchors, image, minimum, limit):
    """Per size, boxes (x0, y0, x1, y1, confidence) as fractions of the image."""
    scales = []
    for size in READING:
        x = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        x = torch.from_numpy(x)[None, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = model(x)
        found = []
        for boxes, objectness, classes in decode(outputs, anchors, size):
            c = objectness.sigmoid() * classes.sigmoid()
            keep = c >= minimum
            norm = torch.tensor([size[0], size[1], size[0], size[1]])
            found += torch.cat([boxes[keep] / norm, c[keep, None]], 1).tolist()
        # More than enough: the program keeps the 100 strongest of a scale.
        found = sorted(found, key=lambda b: -b[4])[:400]
        scales.append(suppress([[*(min(max(v, 0.0), 1.0) for v in b[:4]), b[4]] for b in found], limit)[:100])
    return scales


def fuse(scales):
    """(xs, ys, grid of Ms); None without boxes."""
    boxes = np.array([b for s in scales for b in s])
    if len(boxes) == 0:
        return None
    xs, ys = np.unique(boxes[:, [0, 2]]), np.unique(boxes[:, [1, 3]])
    grid = np.zeros((len(ys) - 1, len(xs) - 1))
    for x0, y0, x1, y1, c in boxes:
        grid[np.searchsorted(ys, y0) : np.searchsorted(ys, y1), np.searchsorted(xs, x0) : np.searchsorted(xs, x1)] += c
    return xs, ys, grid / (len(READING) * boxes[:, 4].max())


def candidates(fused, level):
    if fused is None:
        return []
    xs, ys, grid = fused
    labels, _ = ndimage.label(grid >= level if level > 0 else grid > 0, np.ones((3, 3)))
    result = []
    for k, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        score = grid[rows, columns][labels[rows, columns] == k].max()
        result.append((xs[columns.start], ys[rows.start], xs[columns.stop], ys[rows.stop], score))
    return result


def is_hit(c, lesion):
    x, y = (c[0] + c[2]) / 2, (c[1] + c[3]) / 2
    return (lesion[0] <= x < lesion[2] and lesion[1] <= y < lesion[3]) or iou(c, lesion) >= 0.2


def average_precision(found, lesions):
    """All-point interpolation; `found`: (image, box, score)."""
    taken, hits = set(), []
    for image, box, _ in sorted(found, key=lambda f: -f[2]):
        best = max(((iou(box, l), k) for k, l in enumerate(lesions[image])), default=(0, -1))
        good = best[0] >= 0.5 and (image, best[1]) not in taken
        if good:
            taken.add((image, best[1]))
        hits.append(good)
    if not hits:
        return 0.0
    total = sum(map(len, lesions))
    tp = np.cumsum(hits)
    precision, recall = tp / np.arange(1, len(hits) + 1), tp / total
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * np.diff(np.concatenate([[0], recall]))).sum())


def judge_detector(args, path):
    model, anchors, _ = load_detector(path)
    model = model.eval().to(memory_format=torch.channels_last)
    rng = np.random.default_rng(0)
    pools = data.load_pools(args.folder)["val"]
    for kind in [args.pool] if args.pool else ["film", "phantom"]:
        pool = pools[kind]
        rows = rng.permutation(len(pool))[: args.images]
        lesions = [pool.boxes[i].tolist() for i in rows]
        raw = [detect(model, anchors, np.asarray(pool.images[i]), 0.1, 0.45) for i in rows]
        print(f"{kind}: {len(rows)} images, {sum(map(len, lesions))} lesions")
        for k, size in enumerate(READING):
            found = [(n, b[:4], b[4]) for n, s in enumerate(raw) for b in s[k]]
            print(f"  AP@0.5 at {size}: {average_precision(found, lesions):.3f}")
        for minimum in (0.3, 0.5, 0.6, 0.7):
            line = []
            for level in (0.0, 0.3, 0.5, 0.6, 0.7):
                hit = false = 0
                for n, s in enumerate(raw):
                    c = candidates(fuse([[b for b in one if b[4] >= minimum] for one in s]), level)
                    hit += sum(any(is_hit(b, l) for b in c) for l in lesions[n])
                    false += sum(not any(is_hit(b, l) for l in lesions[n]) for b in c)
                line.append(f"{level}: {hit / max(1, sum(map(len, lesions))):.2f} @ {false / len(rows):.2f}")
            print(f"  min {minimum}: lambda: hits @ false per image  " + "  ".join(line))


def judge_segmenter(args, path):
    model = load_segmenter(path)[0].eval().to(memory_format=torch.channels_last)
    rng = np.random.default_rng(0)
    patches = Patches(args.folder, load_real(args.folder, args.source), "val")
    for name in ("phantom", "blended", "measured"):
        if name == "measured" and not patches.real:
            continue
        dices = []
        for _ in range(args.images):
            image, mask, _, cx, cy, longest = getattr(patches, name)(rng)
            from patches import cut, equalise

            side = 1.5 * longest * np.exp(rng.uniform(-0.15, 0.15))
            x = equalise(np.clip(cut(image, cx, cy, side, 256) / 255, 0, 1))
            truth = cut(mask, cx, cy, side, 256) > 0.5
            x = torch.from_numpy(x)[None, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                found = model(x).float().mean(1)[0].numpy() >= 0
            dices.append(2 * (found & truth).sum() / max(1, found.sum() + truth.sum()))
        print(f"{name}: Dice {np.mean(dices):.3f} (median {np.median(dices):.3f}, least {np.min(dices):.3f}) on {len(dices)} patches")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("source")
    parser.add_argument("weights")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--only", choices=["detector", "segmenter"])
    parser.add_argument("--pool", choices=["film", "phantom", "ffdm"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.only != "segmenter":
        judge_detector(args, os.path.join(args.weights, "yolov3.safetensors"))
    if args.only != "detector":
        judge_segmenter(args, os.path.join(args.weights, "unetpp.safetensors"))


if __name__ == "__main__":
    main()
