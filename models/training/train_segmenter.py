"""Trains the segmenter until a given time of day.

Usage: train_segmenter.py FOLDER DATA --until 13:30 [--weights unetpp.safetensors | --resume --start 11:30]
A patch of 256 x 256 costs sixteen times one of 64 x 64, so training starts small (the same field of view, sampled more
coarsely), goes on with larger patches and with parts of 256 x 256 ones, and ends on whole ones; given weights have the small
patches behind them. Each head learns, and their mean: binary cross-entropy plus Dice. Writes segmenter.pt and segmenter.csv."""

import csv
import math
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

import schedule
from patches import Patches, load_real
from unetpp import UnetPP
from weights import load_segmenter


def loss_of(logits, truth, known):
    """Mean over the heads and their mean of masked BCE + Dice."""
    logits = torch.cat([logits, logits.mean(1, keepdim=True)], 1).float()
    truth, known = truth.unsqueeze(1).expand_as(logits), known.unsqueeze(1).expand_as(logits)
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    bce = (bce * known).sum((2, 3)) / known.sum((2, 3)).clamp(min=1)
    p = logits.sigmoid() * known
    t = truth * known
    dice = 1 - (2 * (p * t).sum((2, 3)) + 1) / (p.sum((2, 3)) + t.sum((2, 3)) + 1)
    return bce.mean(), dice.mean(), dice[:, -1].mean()


def stage(rng, progress):
    """(size, zoom, batch)."""
    if progress < 0.33:
        table = [(64, 1.0, 8, 1.0)]
    elif progress < 0.42:
        table = [(64, 1.0, 8, 0.2), (96, 1.0, 6, 0.8)]
    elif progress < 0.6:
        table = [(128, 1.0, 4, 0.6), (128, 1.6, 4, 0.4)]
    else:
        table = [(128, 2.0, 4, 0.2), (192, 1.33, 2, 0.5), (256, 1.0, 1, 0.3)]
    weights = np.array([t[3] for t in table])
    return table[rng.choice(len(table), p=weights / weights.sum())][:3]


def main():
    args = schedule.arguments(__doc__, rate=4e-4, seed=2, source=True).parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    clock = schedule.Clock(args.start, args.until)
    rng = np.random.default_rng(args.seed + (int(time.time()) if args.resume else 0))
    patches = Patches(args.folder, load_real(args.folder, args.source))
    print(len(patches.real), "measured lesions,", len(patches.phantoms), "phantom patches", flush=True)

    def batch_of(size, zoom, count):
        items = [patches.pick(rng, size, zoom) for _ in range(count)]
        x, t, k = (torch.from_numpy(np.stack([i[n] for i in items])) for n in range(3))
        x = x[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        return x.to(args.device), t.to(args.device), k.to(args.device)

    checkpoint = schedule.Checkpoint(os.path.join(args.folder, "segmenter.pt"))
    state = checkpoint.load(args.device) if args.resume else None
    model, step = load_segmenter(args.weights) if args.weights else (UnetPP(), 0)
    begin = state["begin"] if state else 0.5 if args.weights else 0.0
    model = model.to(args.device, memory_format=torch.channels_last)
    if state:
        model.load_state_dict(state["model"])
        average, step = state["average"], state["step"]
    else:
        if not args.weights:
            model.scale_layers(batch_of(64, 1.0, 16)[0])
        average = {k: v.clone() for k, v in model.state_dict().items()}
    optimiser = schedule.optimiser_of(list(model.parameters()), args.rate, decay=0.01)
    if state:
        optimiser.load_state_dict(state["optimiser"])
    model.train()
    log = open(os.path.join(args.folder, "segmenter.csv"), "a" if args.resume else "w", buffering=1)
    writer = csv.writer(log)
    if not args.resume:
        writer.writerow(["step", "seconds", "rate", "size", "bce", "dice_loss", "dice_loss_mean_head", "norm"])

    def save():
        learnt = {"model": model.state_dict(), "average": average, "optimiser": optimiser.state_dict()}
        checkpoint.save(learnt | {"step": step, "begin": begin})

    while clock.running():
        now, rate = time.time(), clock.rate(args.rate, warm_up=20 if args.weights or args.resume else 80)
        for group in optimiser.param_groups:
            group["lr"] = rate
        size, zoom, count = stage(rng, begin + (1 - begin) * clock.progress())
        x, truth, known = batch_of(size, zoom, count)
        with torch.autocast(args.device, dtype=torch.bfloat16):
            logits = model(x)
        bce, dice, last = loss_of(logits, truth, known)
        loss = bce + dice
        optimiser.zero_grad(set_to_none=True)
        step += 1
        if not torch.isfinite(loss):
            print("not finite at step", step, flush=True)
            continue
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0))
        if math.isfinite(norm):
            optimiser.step()
        if step % 4 == 0:
            schedule.average_into(average, model, step, longest=0.98)
        values = [f"{float(v.detach()):.4f}" for v in (bce, dice, last)]
        writer.writerow([step, f"{time.time() - now:.2f}", f"{rate:.2e}", f"{size}x{zoom}"] + values + [f"{norm:.2f}"])
        if checkpoint.due():
            save()
    save()
    print("finished at step", step, flush=True)


if __name__ == "__main__":
    main()
