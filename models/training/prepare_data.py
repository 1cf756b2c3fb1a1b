"""Collects the arrays that `mammoscope prepare` and `mammoscope phantom` wrote, with boxes and the patient-wise split.

Usage: prepare_data.py DATA FOLDER
DATA holds cbis-ddsm-mass-train and cdd-cesm; FOLDER the arrays (film.u8, ffdm.u8, phantom.u8: uint8 [n, 960, 480]; file
lists film.txt, ffdm.txt; phantom.jsonl). Real sets that FOLDER lacks are left out. Writes FOLDER/index.json and
FOLDER/splits.json."""

import json
import os
import sys

import cv2
import numpy as np

from data import split


def film(data, files):
    coco = json.load(open(os.path.join(data, "cbis-ddsm-mass-train", "_annotations.coco.json")))
    sizes = {i["id"]: i for i in coco["images"]}
    boxes = {}
    for a in coco["annotations"]:
        image = sizes[a["image_id"]]
        x, y, w, h = a["bbox"]
        box = [x / image["width"], y / image["height"], (x + w) / image["width"], (y + h) / image["height"]]
        boxes.setdefault(image["file_name"], []).append(box)
    return [boxes.get(os.path.basename(f), []) for f in files]


def compact(component, area, width, height):
    """Masses are compact and lesion-sized; other findings of this set (skin, asymmetries) mostly are not."""
    w, h = component[2], component[3]
    share = area / (width * height)
    return 0.0006 < share < 0.08 and area / (w * h) > 0.5 and max(w, h) < 2.3 * min(w, h)


def ffdm(data, files):
    """Boxes of the compact components; None where other findings would make the truth ambiguous."""
    result = []
    for f in files:
        mask = cv2.imread(os.path.join(data, "cdd-cesm", "masks", os.path.basename(f)), 0) > 127
        height, width = mask.shape
        mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        boxes, other = [], 0
        for x, y, w, h, area in stats[1:]:
            if compact((x, y, w, h), area, width, height):
                boxes.append([x / width, y / height, (x + w) / width, (y + h) / height])
            else:
                other += area
        result.append(boxes if other < 0.003 * mask.size else None)
    return result


def main(data, folder):
    index, splits = {}, {}
    for kind, find in (("film", film), ("ffdm", ffdm)):
        listed = os.path.join(folder, kind + ".txt")
        if not os.path.exists(listed):
            print(kind, "is not there: left out")
            continue
        files = open(listed).read().split("\n")
        boxes = find(data, files)
        patients = [os.path.basename(f).split("_")[0] for f in files]
        val = split(patients, 0.15)
        splits[kind] = {"val": sorted(val), "train": sorted(set(patients) - val)}
        parts = ["skip" if b is None else "val" if p in val else "train" for b, p in zip(boxes, patients)]
        index[kind] = {"file": kind + ".u8", "boxes": [b or [] for b in boxes], "parts": parts}
    boxes = [json.loads(line) for line in open(os.path.join(folder, "phantom.jsonl"))]
    parts = ["val" if i >= len(boxes) - len(boxes) // 10 else "train" for i in range(len(boxes))]
    index["phantom"] = {"file": "phantom.u8", "boxes": boxes, "parts": parts}
    json.dump(index, open(os.path.join(folder, "index.json"), "w"))
    json.dump(splits, open(os.path.join(folder, "splits.json"), "w"), indent=0)
    for kind, entry in index.items():
        print(kind, {p: entry["parts"].count(p) for p in ("train", "val", "skip")}, sum(map(len, entry["boxes"])), "boxes")


if __name__ == "__main__":
    main(*sys.argv[1:])
