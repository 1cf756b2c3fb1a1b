"""Draws the training curves. Usage: plot.py FOLDER OUT.png"""

import csv
import os
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def running(values, width=25):
    return np.convolve(values, np.ones(width) / width, "valid") if len(values) >= width else np.array(values)


def main(folder, out):
    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    plots = (("detector", ("box", "objectness")), ("segmenter", ("bce", "dice_loss_mean_head")))
    for axis, (name, columns) in zip(axes, plots):
        rows = list(csv.DictReader(open(os.path.join(folder, name + ".csv"))))
        for column in columns:
            axis.plot(running([float(r[column]) for r in rows]), label=column)
        axis.set(title=name, xlabel="step", ylabel="loss, running mean of 25 steps", yscale="log")
        axis.legend()
    figure.tight_layout()
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main(*sys.argv[1:])
