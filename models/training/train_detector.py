"""Trains the detector until a given time of day.

Usage: train_detector.py FOLDER --until 13:30 [--weights yolov3.safetensors | --resume --start 11:30]
FOLDER holds index.json and the arrays (prepare_data.py). Writes detector.pt (weights, their running mean, optimiser state)
every few minutes, and detector.csv, which plot.py draws.

The learning rate follows the clock, so that at the given time it has decayed. An image
at a large reading size costs nine times one at the smallest, so batches are crops: the scale of the tissue is that of one of
the five reading sizes ("virtual"), anchors included, while the number of pixels stays small. The last part of the time adds
whole images at the reading sizes."""

import csv
import math
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

import data
import schedule
from weights import load_detector
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
    elif progress < 0.7:
        table = [(crop, v, 0.6) for v in READING] + [(v, v, p) for v, p in zip(READING, (1.2, 1.0, 0.6, 0.3, 0.2))]
    else:
        # As they are read: the large sizes are the weak ones.
        table = [(crop, v, 0.2) for v in READING] + [(v, v, p) for v, p in zip(READING, (0.7, 0.8, 1.0, 1.0, 1.0))]
    weights = np.array([t[2] for t in table], float)
    return table[rng.choice(len(table), p=weights / weights.sum())][:2]


def main():
    parser = schedule.arguments(__doc__, rate=1e-3, seed=1)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--synthetic", type=float, nargs=2, default=(0.8, 0.4), help="share of phantoms, at the start and the end")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    clock = schedule.Clock(args.start, args.until)
    rng = np.random.default_rng(args.seed + (int(time.time()) if args.resume else 0))
    pools = data.load_pools(args.folder)["train"]
    masses = data.load_masses(args.folder)
    checkpoint = schedule.Checkpoint(os.path.join(args.folder, "detector.pt"))
    model, guides, step = Yolov3().to(args.device), Guides().to(args.device), 0
    state = checkpoint.load(args.device) if args.resume else None
    if state:
        model.load_state_dict(state["model"])
        guides.load_state_dict(state["guides"])
        average, anchors, step = state["average"], state["anchors"], state["step"]
    else:
        if args.weights:
            model, anchors, step = load_detector(args.weights)
            model = model.to(args.device)
        else:
            shares = {"film": 2, "phantom": 1, "ffdm": 1}
            anchors = kmeans_anchors([b for kind, pool in pools.items() for bs in pool.boxes for b in bs for _ in range(shares[kind])])
        average = {k: v.clone() for k, v in model.state_dict().items()}
    model = model.to(memory_format=torch.channels_last).train()
    optimiser = schedule.optimiser_of([*model.parameters(), *guides.parameters()], args.rate, decay=0.02)
    if state:
        optimiser.load_state_dict(state["optimiser"])
    log = open(os.path.join(args.folder, "detector.csv"), "a" if args.resume else "w", buffering=1)
    writer = csv.writer(log)
    if not args.resume:
        writer.writerow(["step", "seconds", "rate", "width", "virtual", "box", "objectness", "class", "guide", "norm"])

    def save():
        checkpoint.save({"model": model.state_dict(), "guides": guides.state_dict(), "average": average, "optimiser": optimiser.state_dict(), "anchors": anchors, "step": step})

    size = None
    while clock.running():
        now, progress, rate = time.time(), clock.progress(), clock.rate(args.rate, warm_up=20)
        for group in optimiser.param_groups:
            group["lr"] = rate
        if size is None or step % 10 == 0:
            size, virtual = sizes(rng, progress)
        batch = max(2, min(args.batch, round(args.batch * 24576 / (size[0] * size[1]))))
        # Synthetic lesions first, more and more real ones later.
        synthetic = args.synthetic[0] + (args.synthetic[1] - args.synthetic[0]) * progress
        crowd = 7 if progress < 0.5 else 2 if progress < 0.62 else 1
        items = [data.sample(rng, pools, masses, size, virtual, synthetic, crowd, 0.28 - 0.14 * progress) for _ in range(batch)]
        x = torch.from_numpy(np.stack([i[0] for i in items]))[:, None].expand(-1, 3, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last).to(args.device)
        with torch.autocast(args.device, dtype=torch.bfloat16):
            outputs, features = model(x, features=True)
            targets = [torch.from_numpy(i[1]) for i in items]
            guide = guides.loss(features, targets, size)
        # The loss walks over boxes one by one: on the processor, wherever the network is.
        outputs = [o.float().cpu() for o in outputs]
        losses = (*yolo_loss(outputs, targets, anchors, virtual), 4.0 * guide)
        loss = sum(losses)
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if not torch.isfinite(loss):
            print("not finite at step", step, flush=True)
            continue
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0))
        if math.isfinite(norm):
            optimiser.step()
        if step % 4 == 0:
            schedule.average_into(average, model, step, longest=0.97)
        writer.writerow([step, f"{time.time() - now:.2f}", f"{rate:.2e}", size[0], virtual[0]] + [f"{float(l.detach()):.4f}" for l in losses] + [f"{norm:.2f}"])
        if checkpoint.due():
            save()
    save()
    print("finished at step", step, flush=True)


if __name__ == "__main__":
    main()
