"""What both trainings share: arguments, the clock that sets the learning rate, the running mean of the weights, checkpoints."""

import argparse
import datetime
import math
import os
import time

import torch


def arguments(description, rate, seed, source=False):
    """The parser of both scripts; `source`: with the folder of the data as they came."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", help="the arrays (prepare_data.py); the checkpoint and the log are written there")
    if source:
        parser.add_argument("source", help="the data as they came")
    parser.add_argument("--until", required=True, help="time of day, HH:MM, when the schedule ends")
    parser.add_argument("--start", help="when the schedule began, HH:MM; default: now")
    parser.add_argument("--weights", help="a weights file of the program to start from")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    return parser


class Clock:
    """Progress 0 ... 1 from `start` to `until` (HH:MM of today), and the learning rate: warm-up, then a cosine to the end."""

    def __init__(self, start, until):
        today = datetime.date.today()
        at = lambda text: datetime.datetime.combine(today, datetime.time.fromisoformat(text)).timestamp()
        self.start, self.end = at(start) if start else time.time(), at(until)
        if self.end <= time.time():
            raise SystemExit(f"--until {until} is in the past: give a later time of today.")
        self.steps = 0

    def running(self):
        return time.time() < self.end

    def progress(self):
        return min(1.0, max(0.0, (time.time() - self.start) / (self.end - self.start)))

    def rate(self, full, warm_up):
        """`warm_up`: the updates until the full rate, counted from this start of the script."""
        self.steps += 1
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress()))
        return full * min(1.0, self.steps / warm_up) * (0.02 + 0.98 * cosine)


def optimiser_of(parameters, rate, decay):
    """AdamW that leaves biases and batch norms undecayed."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


@torch.no_grad()
def average_into(average, model, step, longest):
    """Moves the running mean of the weights a little; it forgets faster at first."""
    keep = min(longest, (1 + step / 4) / (10 + step / 4))
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].lerp_(value, 1 - keep)
        else:
            average[name].copy_(value)


class Checkpoint:
    """Written whole or not at all, every four minutes and at the end."""

    def __init__(self, path):
        self.path, self.saved = path, time.time()

    def load(self, device):
        return torch.load(self.path, map_location=device, weights_only=True)

    def save(self, state):
        torch.save(state, self.path + ".new")
        os.replace(self.path + ".new", self.path)
        self.saved = time.time()

    def due(self):
        return time.time() - self.saved > 240
