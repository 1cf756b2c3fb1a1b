"""Trains the detector on a processor until a given time of day.

Usage: train_detector.py FOLDER --until 13:30 [--resume]
FOLDER holds index.json and the arrays (prepare_data.py). Writes detector.pt (weights, their running mean, optimiser state)
every few minutes, detector.csv, and curves with plot.py.

The learning rate follows the clock (warm-up, then a cosine to the end), so that at the given time it has decayed. An image
at a large reading size costs nine times one at the smallest, so batches are crops: the scale of the tissue is that of one of
the five reading sizes ("virtual"), anchors included, while the number of pixels stays small. The last part of the time adds
whole images at the reading sizes."""

import argparse
import csv
import datetime
import math
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

import data
from yolov3 import Guides, Yolov3, yolo_loss

READING = [(160, 320), (256, 512), (320, 640), (416, 832), (480, 960)]


def kmeans_anchors(boxes, seed=5):
    """Nine (w, h) by k-means with 1 - IoU as the distance, ascending by area."""
    rng = np.random.default_rng(seed)
    wh = np.array([[b[2] - b[0], b[3] - b[1]] for b in boxes])

    def iou(a, c):
        common = np.minimum(a[:, None, 0], c[None, :, 0]) * np.minimum(a[:, None, 1], c[None, :, 1])
        return common / (a.prod(1)[:, None] + c.prod(1)[None] - common)

    best, best_score = None, -1
    for _ in range(8):
        centres = wh[rng.choice(len(wh), 9, replace=False)]
        for _ in range(60):
            nearest = iou(wh, centres).argmax(1)
            centres = np.array([np.median(wh[nearest == k], 0) if (nearest == k).any() else centres[k] for k in range(9)])
        score = iou(wh, centres).max(1).mean()
        if score > best_score:
            best, best_score = centres, score
    best = best[best.prod(1).argsort()]
    print("anchors", np.round(best, 4).tolist(), "mean IoU", round(best_score, 3))
    return best.tolist()


def sizes(rng, progress):
    """(size, virtual) of a batch."""
    crop = (128, 192)
    if progress < 0.5:
        table = [(crop, v, 1) for v in READING]
    else:
        table = [(crop, v, 0.6) for v in READING] + [(v, v, p) for v, p in zip(READING, (1.2, 1.0, 0.6, 0.3, 0.2))]
    weights = np.array([t[2] for t in table], float)
    return table[rng.choice(len(table), p=weights / weights.sum())][:2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--until", required=True)
    parser.add_argument("--start", default=None, help="when the schedule began, HH:MM; for --resume")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    today = datetime.date.today()
    clock = lambda text: datetime.datetime.combine(today, datetime.time.fromisoformat(text)).timestamp()
    end = clock(args.until)
    start = clock(args.start) if args.start else time.time()
    rng = np.random.default_rng(args.seed + (int(time.time()) if args.resume else 0))

    pools = data.load_pools(args.folder)["train"]
    masses = data.load_masses(args.folder)
    checkpoint = os.path.join(args.folder, "detector.pt")
    model, guides = Yolov3(), Guides()
    parameters = [*model.parameters(), *guides.parameters()]
    decay = [p for p in parameters if p.ndim > 1]
    plain = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.98), fused=True)
    step = 0
    if args.resume:
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        if "guides" in state:
            guides.load_state_dict(state["guides"])
            optimiser.load_state_dict(state["optimiser"])
        average, anchors, step = state["average"], state["anchors"], state["step"]
    else:
        boxes = [b for pool, n in ((pools["film"], 2), (pools["phantom"], 1), (pools["ffdm"], 1)) for bs in pool.boxes for b in bs for _ in range(n)]
        anchors = kmeans_anchors(boxes)
        average = {k: v.clone() for k, v in model.state_dict().items()}
    model = model.to(memory_format=torch.channels_last)
    model.train()
    log = open(os.path.join(args.folder, "detector.csv"), "a" if args.resume else "w", buffering=1)
    writer = csv.writer(log)
    if not args.resume:
        writer.writerow(["step", "seconds", "rate", "width", "virtual", "box", "objectness", "class", "guide", "norm"])
    saved, size, virtual, first = time.time(), None, None, step
    while time.time() < end:
        now = time.time()
        progress = min(1.0, (now - start) / (end - start))
        rate = args.rate * min(1.0, (step - first + 1) / 8) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        if size is None or step % 10 == 0 or step < 2:
            size, virtual = sizes(rng, progress)
        batch = max(2, min(args.batch, round(args.batch * 24576 / (size[0] * size[1]))))
        # Synthetic lesions first, more and more real ones later.
        synthetic = 0.8 - 0.4 * progress
        crowd = 7 if progress < 0.5 else 2 if progress < 0.62 else 1
        items = [data.sample(rng, pools, masses, size, virtual, synthetic, crowd, 0.28 - 0.14 * progress) for _ in range(batch)]
        x = torch.from_numpy(np.stack([i[0] for i in items]))[:, None].expand(-1, 3, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs, features = model(x, features=True)
            targets = [torch.from_numpy(i[1]) for i in items]
            guide = guides.loss(features, targets, size)
        losses = (*yolo_loss(outputs, targets, anchors, virtual), 4.0 * guide)
        loss = sum(losses)
        optimiser.zero_grad(set_to_none=True)
        if not torch.isfinite(loss):
            print("not finite at step", step, flush=True)
            step += 1
            continue
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0))
        if math.isfinite(norm):
            optimiser.step()
        step += 1
        if step % 4 == 0:
            keep = min(0.95, (1 + step / 4) / (10 + step / 4))
            with torch.no_grad():
                for k, v in model.state_dict().items():
                    if v.dtype.is_floating_point:
                        average[k].lerp_(v, 1 - keep)
                    else:
                        average[k].copy_(v)
        writer.writerow([step, f"{time.time() - now:.2f}", f"{rate:.2e}", size[0], virtual[0]] + [f"{float(l.detach()):.4f}" for l in losses] + [f"{norm:.2f}"])
        if time.time() - saved > 240 or time.time() >= end:
            state = {"model": model.state_dict(), "guides": guides.state_dict(), "average": average, "optimiser": optimiser.state_dict(), "anchors": anchors, "step": step}
            torch.save(state, checkpoint + ".new")
            os.replace(checkpoint + ".new", checkpoint)
            saved = time.time()
    state = {"model": model.state_dict(), "guides": guides.state_dict(), "average": average, "optimiser": optimiser.state_dict(), "anchors": anchors, "step": step}
    torch.save(state, checkpoint + ".new")
    os.replace(checkpoint + ".new", checkpoint)
    print("finished at step", step, flush=True)


if __name__ == "__main__":
    main()
