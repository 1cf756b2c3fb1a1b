"""Training data: real mammograms, phantoms, and lesions pasted into either. Arrays are made by prepare_data.py."""

import json
import os

import cv2
import numpy as np

cv2.setNumThreads(1)
MASS = 192  # side of a library mass, whose radius is 40
FULL = (480, 960)  # width, height of the stored whole images


def split(patients, fraction, seed=20):
    """Patients of the validation part."""
    names = sorted(set(patients))
    np.random.default_rng(seed).shuffle(names)
    return set(names[: int(round(fraction * len(names)))])


class Pool:
    """Whole mammograms with boxes as fractions (x0, y0, x1, y1)."""

    def __init__(self, images, boxes, kind):
        self.images, self.boxes, self.kind = images, boxes, kind

    def __len__(self):
        return len(self.boxes)


def load_pools(folder):
    """{"train": {...}, "val": {...}}: pools "film", "ffdm" and "phantom" for each part."""
    index = json.load(open(os.path.join(folder, "index.json")))
    pools = {"train": {}, "val": {}}
    for kind, entry in index.items():
        data = np.memmap(os.path.join(folder, entry["file"]), np.uint8, mode="r").reshape(-1, FULL[1], FULL[0])
        for part in pools:
            rows = [i for i, p in enumerate(entry["parts"]) if p == part]
            pools[part][kind] = Pool([data[i] for i in rows], [np.array(entry["boxes"][i]).reshape(-1, 4) for i in rows], kind)
    return pools


def load_masses(folder):
    """Densities 0 ... 1.2 and masks of the library masses."""
    data = np.memmap(os.path.join(folder, "masslib.u8"), np.uint8, mode="r").reshape(-1, 2, MASS, MASS)
    return data


def tight(mask):
    ys, xs = np.where(mask)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def paste_mass(rng, image, masses, boxes, window, least):
    """Adds a library mass inside the breast and the window, away from other boxes (all in pixels). Returns its box or None.
    `image`: float32."""
    h, w = image.shape
    density, mask = masses[rng.integers(len(masses))]
    radius = 0.017 * (0.06 / 0.017) ** rng.random() * h
    sy = radius / 40.0
    sx = sy * rng.uniform(0.55, 1.0)  # images are stretched: narrower than the breast
    pw, ph = max(8, int(MASS * sx)), max(8, int(MASS * sy))
    turned = np.rot90(np.stack([density, mask]), rng.integers(4), (1, 2))
    if rng.random() < 0.5:
        turned = turned[:, :, ::-1]
    d = cv2.resize(np.ascontiguousarray(turned[0]), (pw, ph), interpolation=cv2.INTER_AREA).astype(np.float32) / 200
    m = cv2.resize(np.ascontiguousarray(turned[1]) * 255, (pw, ph), interpolation=cv2.INTER_AREA) > 127
    if not m.any():
        return None
    bx = tight(m)
    for _ in range(12):
        x, y = int(rng.uniform(window[0], window[2])), int(rng.uniform(window[1], window[3]))
        box = np.array([x - pw // 2 + bx[0], y - ph // 2 + bx[1], x - pw // 2 + bx[2], y - ph // 2 + bx[3]], float)
        if box[0] < 2 or box[1] < 2 or box[2] > w - 2 or box[3] > h - 2:
            continue
        inside = image[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])]
        if (inside < 8).mean() > 0.05 or any(overlaps(box, b) for b in boxes):
            continue
        x0, y0 = x - pw // 2, y - ph // 2
        a, b, c, e = max(x0, 0), max(y0, 0), min(x0 + pw, w), min(y0 + ph, h)
        region = image[b:e, a:c]
        part = d[b - y0 : e - y0, a - x0 : c - x0]
        contrast = rng.uniform(least, 0.42) * 255
        added = contrast * part * np.clip(1.25 - region / 255, 0.2, 1.0)
        region += np.where(region > 0, added, 0)
        np.minimum(region, 255, out=region)
        return box
    return None


def overlaps(a, b, margin=4):
    return a[0] < b[2] + margin and b[0] < a[2] + margin and a[1] < b[3] + margin and b[1] < a[3] + margin


def paste_lesion(rng, image, pool, boxes, window):
    """Copies a real lesion with a soft elliptic edge into another breast, its surroundings' level matched."""
    h, w = image.shape
    for _ in range(5):
        i = rng.integers(len(pool))
        if len(pool.boxes[i]):
            break
    else:
        return None
    f = pool.boxes[i][rng.integers(len(pool.boxes[i]))] * np.array([w, h, w, h])
    bw, bh = f[2] - f[0], f[3] - f[1]
    m = 0.35
    x0, y0, x1, y1 = int(f[0] - m * bw), int(f[1] - m * bh), int(f[2] + m * bw) + 1, int(f[3] + m * bh) + 1
    if x0 < 0 or y0 < 0 or x1 > w or y1 > h or bw < 6 or bh < 6:
        return None
    patch = pool.images[i][y0:y1, x0:x1].astype(np.float32)
    scale = rng.uniform(0.7, 1.3)
    pw, ph = max(8, int(patch.shape[1] * scale)), max(8, int(patch.shape[0] * scale))
    patch = cv2.resize(patch, (pw, ph), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    if rng.random() < 0.5:
        patch = patch[::-1]
    ys, xs = np.mgrid[0:ph, 0:pw]
    r = np.hypot((xs + 0.5) / pw * 2 - 1, (ys + 0.5) / ph * 2 - 1)
    alpha = np.clip((1.0 - r) / 0.28, 0, 1)
    ring = (r > 0.8) & (r < 1.05)
    share = 1 / (1 + 2 * m)
    for _ in range(12):
        x, y = int(rng.uniform(window[0], window[2])) - pw // 2, int(rng.uniform(window[1], window[3])) - ph // 2
        if x < 0 or y < 0 or x + pw > w or y + ph > h:
            continue
        box = np.array([x + pw * (1 - share) / 2, y + ph * (1 - share) / 2, x + pw * (1 + share) / 2, y + ph * (1 + share) / 2])
        region = image[y : y + ph, x : x + pw]
        if (region < 8).mean() > 0.05 or any(overlaps(box, b) for b in boxes):
            continue
        shift = region[ring].mean() - patch[ring].mean()
        if abs(shift) > 60:
            continue
        region[...] = np.clip(region * (1 - alpha) + (patch + shift) * alpha, 1, 255)
        return box
    return None


def photometric(rng, image):
    """Gamma, contrast, noise and blur on values 0 ... 1; air stays 0."""
    air = image <= 0
    image = np.clip(image, 0, 1) ** np.exp(rng.uniform(-0.45, 0.45))
    image = image * rng.uniform(0.75, 1.1) + rng.uniform(-0.04, 0.06)
    if rng.random() < 0.3:
        image = image + rng.normal(0, rng.uniform(0.003, 0.02), image.shape).astype(np.float32)
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (3, 3), rng.uniform(0.3, 0.9))
    image[air] = 0
    return np.clip(image, 0, 1).astype(np.float32)


def film_frame(rng, image):
    """A white border or a label, as digitised film has them, now and then."""
    h, w = image.shape
    if rng.random() < 0.12:
        t = rng.integers(1, 5)
        side = rng.integers(4)
        bar = [image[:, :t], image[:, w - t :], image[:t], image[h - t :]][side]
        bar[...] = rng.uniform(0.7, 1.0)
    if rng.random() < 0.08:
        lw, lh = rng.integers(4, max(5, w // 6)), rng.integers(4, max(5, h // 12))
        x, y = rng.integers(0, w - lw), rng.integers(0, h - lh)
        region = image[y : y + lh, x : x + lw]
        if (region > 0.03).mean() < 0.02:
            region[...] = (rng.random((lh, lw)) < 0.5) * rng.uniform(0.3, 1.0)
    return image


def window_of(rng, image, boxes, size, virtual):
    """Where (x0, y0, width, height) to cut the stored image so that it fills `size` at the scale of `virtual`."""
    w, h = FULL
    zx = size[0] / virtual[0] / np.exp(rng.uniform(-0.22, 0.18))
    zy = size[1] / virtual[1] / np.exp(rng.uniform(-0.22, 0.18))
    cw, ch = zx * w, zy * h
    if min(zx, zy) >= 0.9:
        cx, cy = w / 2 + rng.uniform(-0.12, 0.12) * w, h / 2 + rng.uniform(-0.12, 0.12) * h
    else:
        if boxes and rng.random() < 0.6:
            b = boxes[rng.integers(len(boxes))]
            cx, cy = (b[0] + b[2]) / 2 + rng.uniform(-0.3, 0.3) * cw, (b[1] + b[3]) / 2 + rng.uniform(-0.3, 0.3) * ch
        else:
            # Somewhere in the breast.
            ys, xs = np.where(image[::16, ::16] > 12)
            k = rng.integers(len(xs)) if len(xs) else 0
            cx, cy = (xs[k] * 16, ys[k] * 16) if len(xs) else (w / 2, h / 2)
        cx = np.clip(cx, min(cw, w) * 0.45, w - min(cw, w) * 0.45)
        cy = np.clip(cy, min(ch, h) * 0.45, h - min(ch, h) * 0.45)
    return int(round(cx - cw / 2)), int(round(cy - ch / 2)), max(8, int(round(cw))), max(8, int(round(ch)))


def sample(rng, pools, masses, size, virtual, synthetic, crowd, least):
    """One training image of `size` (w, h), cut from the whole image as it looks at `virtual` (w, h); boxes in its pixels.

    `synthetic`: the share of phantoms, and of library masses among what is pasted; `crowd`: up to so many are
    pasted; `least`: the least contrast of a pasted mass."""
    shares = {"phantom": synthetic, "film": 0.86 * (1 - synthetic), "ffdm": 0.14 * (1 - synthetic)}
    kinds = [kind for kind in shares if kind in pools]
    kind = rng.choice(kinds, p=np.array([shares[k] for k in kinds]) / sum(shares[k] for k in kinds))
    pool = pools[kind]
    i = rng.integers(len(pool))
    image = np.asarray(pool.images[i]).astype(np.float32)
    w, h = FULL
    boxes = [b * np.array([w, h, w, h]) for b in pool.boxes[i]]
    x0, y0, cw, ch = window_of(rng, image, boxes, size, virtual)
    window = (max(0, x0), max(0, y0), min(w, x0 + cw), min(h, y0 + ch))
    if window[2] > window[0] and window[3] > window[1]:
        for _ in range(rng.integers(0, crowd + 1)):
            if rng.random() < max(0.35, synthetic + 0.2):
                box = paste_mass(rng, image, masses, boxes, window, least)
            else:
                box = paste_lesion(rng, image, pools.get("film", pools["phantom"]), boxes, window)
            if box is not None:
                boxes.append(box)
    canvas = np.zeros((ch, cw), np.float32)
    a, b, c, d = max(0, x0), max(0, y0), min(w, x0 + cw), min(h, y0 + ch)
    if c > a and d > b:
        canvas[b - y0 : d - y0, a - x0 : c - x0] = image[b:d, a:c]
    out = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA if cw > size[0] else cv2.INTER_LINEAR) / 255
    kept = []
    for box in boxes:
        box = (np.asarray(box) - np.array([x0, y0, x0, y0])) * np.array([size[0] / cw, size[1] / ch] * 2)
        area = (box[2] - box[0]) * (box[3] - box[1])
        box = np.array([max(box[0], 0), max(box[1], 0), min(box[2], size[0]), min(box[3], size[1])])
        left = max(0, box[2] - box[0]) * max(0, box[3] - box[1])
        if left > 0.5 * area and min(box[2] - box[0], box[3] - box[1]) >= 3:
            kept.append(box)
    out = film_frame(rng, photometric(rng, out))
    boxes = np.array(kept, np.float32).reshape(-1, 4)
    if rng.random() < 0.5:
        out = out[:, ::-1]
        boxes = boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32) + np.array([size[0], 0, size[0], 0], np.float32)
    if rng.random() < 0.3:
        out = out[::-1]
        boxes = boxes[:, [0, 3, 2, 1]] * np.array([1, -1, 1, -1], np.float32) + np.array([0, size[1], 0, size[1]], np.float32)
    return np.ascontiguousarray(out), boxes
