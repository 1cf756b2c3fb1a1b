"""Training patches for the segmenter: image, mask and a weight per pixel (0 where the truth is unknown)."""

import glob
import json
import os

import cv2
import numpy as np

import data

STORED = 288  # side of a stored phantom patch, which spans 2.4 times the lesion's longest side
SPAN = 2.4
FILM = (496, 800)  # width, height of the whole film images here: near their true aspect


def equalise(patch):
    """As src/pipeline/equalise.rs: the place in the cumulative histogram of 256 bins between the smallest and the largest
    value above 0, linear within a bin; zeros (air, outside) are ignored and stay 0."""
    inside = patch > 0
    if not inside.any():
        return patch
    values = patch[inside].astype(np.float64)
    low, high = values.min(), values.max()
    if high - low < 0.5 / 65535:
        return np.where(inside, 0.5, 0).astype(np.float32)
    position = (values - low) * (256 / (high - low))
    bins = np.minimum(position.astype(np.int64), 255)
    counts = np.bincount(bins, minlength=256)
    below = np.concatenate([[0], np.cumsum(counts)[:-1]])
    result = np.zeros(patch.shape, np.float32)
    result[inside] = (below[bins] + (position - bins) * counts[bins]) / len(values)
    return result


def cut(image, cx, cy, side, size, nearest=False):
    """The square of `side` around (cx, cy), outside = 0, as size x size values."""
    side_px = max(4, int(round(side)))
    x0, y0 = int(round(cx - side / 2)), int(round(cy - side / 2))
    h, w = image.shape
    canvas = np.zeros((side_px, side_px), np.float32)
    a, b, c, d = max(0, x0), max(0, y0), min(w, x0 + side_px), min(h, y0 + side_px)
    if c > a and d > b:
        canvas[b - y0 : d - y0, a - x0 : c - x0] = image[b:d, a:c]
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA if side_px > size else cv2.INTER_LINEAR)


class Patches:
    def __init__(self, folder, real, part="train"):
        index = json.load(open(os.path.join(folder, "index.json")))
        keep = lambda kind: [i for i, p in enumerate(index[kind]["parts"]) if p == part]
        self.film_rows = []
        if "film" in index:
            self.film = np.memmap(os.path.join(folder, "film496.u8"), np.uint8, mode="r").reshape(-1, FILM[1], FILM[0])
            self.film_rows = keep("film")
            self.film_boxes = index["film"]["boxes"]
        stored = np.memmap(os.path.join(folder, "phseg.u8"), np.uint8, mode="r").reshape(-1, 2, STORED, STORED)
        edge = len(stored) * 9 // 10
        self.phantoms = stored[:edge] if part == "train" else stored[edge:]
        self.masses = data.load_masses(folder)
        # Real lesions with masks: (image, mask) at native resolution, one component each.
        self.real = [r for r in real if r[2] == part]

    def pick(self, rng, size, zoom=1.0):
        """One patch of size x size; `zoom` > 1 cuts a part of what would be size * zoom."""
        r = rng.random()
        if r < 0.50 or not self.film_rows:
            image, mask, weight, cx, cy, longest = self.phantom(rng)
        elif r < 0.88:
            image, mask, weight, cx, cy, longest = self.blended(rng)
        elif r < 0.95 and self.real:
            image, mask, weight, cx, cy, longest = self.measured(rng)
        else:
            image, mask, weight, cx, cy, longest = self.boxed(rng)
        # The candidate's box is not the lesion's: its context varies, and its centre.
        side = 1.5 * longest * np.exp(rng.uniform(-0.35, 0.4))
        cx, cy = cx + rng.uniform(-0.14, 0.14) * longest, cy + rng.uniform(-0.14, 0.14) * longest
        whole = int(round(size * zoom))
        patch = np.clip(cut(image, cx, cy, side, whole) / 255, 0, 1)
        truth = cut(mask, cx, cy, side, whole)
        known = cut(weight, cx, cy, side, whole)
        gamma = np.exp(rng.uniform(-0.3, 0.3))
        patch = patch**gamma
        if rng.random() < 0.4:
            noise = rng.normal(0, rng.uniform(0.002, 0.015), patch.shape).astype(np.float32)
            patch = np.where(patch > 0, np.clip(patch + noise, 1 / 255, 1), 0)
        if rng.random() < 0.3:
            patch = cv2.GaussianBlur(patch, (0, 0), rng.uniform(0.4, 1.4) * whole / 128)
        patch = equalise(patch)
        if whole > size:
            x, y = rng.integers(0, whole - size + 1), rng.integers(0, whole - size + 1)
            patch, truth, known = (a[y : y + size, x : x + size] for a in (patch, truth, known))
        stack = np.rot90(np.stack([patch, truth, known]), rng.integers(4), (1, 2))
        if rng.random() < 0.5:
            stack = stack[:, :, ::-1]
        stack = np.ascontiguousarray(stack, dtype=np.float32)
        return stack[0], (stack[1] > 0.5).astype(np.float32), (stack[2] > 0.5).astype(np.float32)

    def phantom(self, rng):
        image, mask = self.phantoms[rng.integers(len(self.phantoms))].astype(np.float32)
        return image, mask / 255, np.ones_like(mask), STORED / 2, STORED / 2, STORED / SPAN

    def blended(self, rng):
        """A library mass on real tissue."""
        row = self.film_rows[rng.integers(len(self.film_rows))]
        density, mask = self.masses[rng.integers(len(self.masses))].astype(np.float32)
        scale = np.exp(rng.uniform(np.log(0.35), np.log(1.3)))
        n = int(data.MASS * scale)
        stretch = rng.uniform(0.75, 1.33)
        nx, ny = int(n * stretch), n
        d, m = cv2.resize(density, (nx, ny), interpolation=cv2.INTER_AREA) / 200, cv2.resize(mask, (nx, ny), interpolation=cv2.INTER_AREA)
        whole = self.film[row]
        for _ in range(30):
            x, y = rng.integers(0, FILM[0] - nx), rng.integers(0, FILM[1] - ny)
            region = whole[y : y + ny, x : x + nx]
            boxes = [np.array(b) * np.array(FILM * 2) for b in self.film_boxes[row]]
            if (region[::4, ::4] < 8).mean() < 0.15 and not any(data.overlaps((x, y, x + nx, y + ny), b) for b in boxes):
                break
        # Enough surroundings for any context.
        px, py = nx // 2, ny // 2
        image = np.zeros((ny + 2 * py, nx + 2 * px), np.float32)
        a, b, c, e = max(0, x - px), max(0, y - py), min(FILM[0], x + nx + px), min(FILM[1], y + ny + py)
        image[b - y + py : e - y + py, a - x + px : c - x + px] = whole[b:e, a:c]
        truth = np.zeros_like(image)
        truth[py : py + ny, px : px + nx] = m
        inner = image[py : py + ny, px : px + nx]
        contrast = rng.uniform(0.13, 0.40) * 255
        inner += np.where(inner > 0, contrast * d * np.clip(1.25 - inner / 255, 0.2, 1.0), 0)
        truth *= image > 0
        x0, y0, x1, y1 = data.tight(truth > 0.5) if (truth > 0.5).any() else (px, py, px + nx, py + ny)
        return np.minimum(image, 255), truth, np.ones_like(image), (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0)

    def measured(self, rng):
        image, mask, _ = self.real[rng.integers(len(self.real))]
        x0, y0, x1, y1 = data.tight(mask)
        return image.astype(np.float32), mask.astype(np.float32), np.ones(mask.shape, np.float32), (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0)

    def boxed(self, rng):
        """A real lesion of which only the box is known: outside it is none, the middle of it is lesion, the rest is unknown."""
        while True:
            row = self.film_rows[rng.integers(len(self.film_rows))]
            if self.film_boxes[row]:
                break
        boxes = [np.array(b) * np.array(FILM * 2) for b in self.film_boxes[row]]
        x0, y0, x1, y1 = boxes[rng.integers(len(boxes))]
        cx, cy, w, h = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        m = max(w, h) * 1.3
        a, b, c, e = int(max(0, cx - m)), int(max(0, cy - m)), int(min(FILM[0], cx + m)), int(min(FILM[1], cy + m))
        image = self.film[row][b:e, a:c].astype(np.float32)
        ys, xs = np.mgrid[b:e, a:c] + 0.5
        r = np.hypot((xs - cx) / w * 2, (ys - cy) / h * 2)
        truth = (r < 0.85).astype(np.float32)
        known = ((r < 0.62) | (xs < x0) | (xs > x1) | (ys < y0) | (ys > y1) | (r > 1.2)).astype(np.float32)
        for bx in boxes:
            if abs((bx[0] + bx[2]) / 2 - cx) > 1:
                known[(xs > bx[0]) & (xs < bx[2]) & (ys > bx[1]) & (ys < bx[3])] = 0
        return image, truth, known, cx - a, cy - b, max(w, h)


def load_real(folder, source):
    """Lesions with masks: CDD-CESM's compact components and the three full-resolution CBIS-DDSM masks."""
    from prepare_data import compact

    if not os.path.exists(os.path.join(folder, "cesm512.txt")):
        return []
    result = []
    files = open(os.path.join(folder, "cesm512.txt")).read().split("\n")
    images = np.memmap(os.path.join(folder, "cesm512.u8"), np.uint8, mode="r").reshape(-1, 512, 512)
    val = data.split([os.path.basename(f).split("_")[0] for f in files], 0.15)
    for i, f in enumerate(files):
        mask = cv2.imread(os.path.join(source, "cdd-cesm", "masks", os.path.basename(f)), 0) > 127
        mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        part = "val" if os.path.basename(f).split("_")[0] in val else "train"
        for k, (x, y, w, h, area) in enumerate(stats[1:], 1):
            if compact((x, y, w, h), area, 512, 512) and area / (w * h) > 0.6 and max(w, h) < 1.8 * min(w, h):
                m = int(1.3 * max(w, h))
                a, b, c, e = max(0, x - m), max(0, y - m), min(512, x + w + m), min(512, y + h + m)
                result.append((np.array(images[i][b:e, a:c]), labels[b:e, a:c] == k, part))
    return result + full_lesions(folder, source)


def full_lesions(folder, source, longest=150):
    """The masses of the full-resolution CBIS-DDSM images (FOLDER/full, by `mammoscope prepare`), each reduced to about
    `longest` pixels; four times each, since their outlines are the only exact ones on film."""
    films = open(os.path.join(folder, "film.txt")).read().split("\n")
    val = data.split([os.path.basename(f).split("_")[0] for f in films], 0.15)
    result = []
    for path in sorted(glob.glob(os.path.join(source, "cbis-ddsm-fullres", "*_mask.png"))):
        name = os.path.basename(path).replace("_mask.png", "")
        mask = (cv2.imread(path, 0) > 127).astype(np.uint8)
        image = cv2.imread(os.path.join(folder, "full", name + ".png"), cv2.IMREAD_UNCHANGED)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        for k, (x, y, w, h, area) in enumerate(stats[1:], 1):
            if area < 400:
                continue
            m = int(1.3 * max(w, h))
            part = np.s_[max(0, y - m) : y + h + m, max(0, x - m) : x + w + m]
            zoom = min(1.0, longest / max(w, h))
            small = cv2.resize(image[part] / np.float32(257), None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
            outline = cv2.resize((labels[part] == k).astype(np.float32), small.shape[::-1], interpolation=cv2.INTER_AREA) > 0.5
            result += [(small, outline, "val" if name.split("_")[0] in val else "train")] * 4
    return result
