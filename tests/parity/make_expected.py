"""Makes expected.json: outputs of YOLOv3 and U-Net++ on random weights, from an implementation in PyTorch that shares no
code with the program. The weights are 100 million numbers, so they are not stored: both sides compute them from the
tensors' names (see `values`; in Rust tests/random_weights.rs).

Run from this folder, some two minutes on one core:
    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy==2.4.6
    venv/bin/python make_expected.py
"""

import json
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SIZES = [(160, 320), (256, 512), (320, 640), (416, 832), (480, 960)]
ANCHORS = [[0.02 * (k + 1), 0.012 * (k + 1)] for k in range(9)]
SAMPLES = 64
MASK = (1 << 64) - 1


def values(name, count):
    """`count` numbers in [-1, 1): splitmix64 started at the FNV-1a hash of the name, the upper 24 bits of each word."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def tensor(name, shape):
    """The tensor of that name: weights scaled as He et al. do, variances and scales positive, the rest small."""
    v = values(name, math.prod(shape))
    if name.endswith("running_var"):
        v = np.float32(1) + v * np.float32(0.5)
    elif ".bn" in name and name.endswith("weight"):
        v = np.float32(0.7) + v * np.float32(0.2)
    elif name.endswith("weight"):
        v = v * np.float32(math.sqrt(6 / math.prod(shape[1:])))
    elif not name.startswith("input"):
        v = v * np.float32(0.1)
    else:
        v = v * np.float32(0.5) + np.float32(0.5)
    return torch.from_numpy(v.reshape(shape))


def image(width, height):
    """One grey image as three equal channels."""
    return tensor(f"input.{width}x{height}", (1, 1, height, width)).repeat(1, 3, 1, 1)


def fill(module, name):
    for key, value in module.state_dict().items():
        if key != "num_batches_tracked":
            value.copy_(tensor(f"{name}.{key}", tuple(value.shape)))


class Block(nn.Module):
    """Convolution, batch norm, leaky ReLU: conv.{index} of yolov3.cfg."""

    def __init__(self, index, cin, cout, k, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, k, stride, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-5)
        fill(self.conv, f"conv.{index}")
        fill(self.bn, f"conv.{index}.bn")

    def forward(self, x):
        return F.leaky_relu(self.bn(self.conv(x)), 0.1)


class Yolov3(nn.Module):
    """yolov3.cfg written out, with one class."""

    def __init__(self):
        super().__init__()
        self.l = nn.ModuleDict()
        rows = [(0, 3, 32, 3, 1), (1, 32, 64, 3, 2), (2, 64, 32, 1, 1), (3, 32, 64, 3, 1), (4, 64, 128, 3, 2)]
        for i in (5, 7):
            rows += [(i, 128, 64, 1, 1), (i + 1, 64, 128, 3, 1)]
        rows += [(9, 128, 256, 3, 2)]
        for i in range(10, 26, 2):
            rows += [(i, 256, 128, 1, 1), (i + 1, 128, 256, 3, 1)]
        rows += [(26, 256, 512, 3, 2)]
        for i in range(27, 43, 2):
            rows += [(i, 512, 256, 1, 1), (i + 1, 256, 512, 3, 1)]
        rows += [(43, 512, 1024, 3, 2)]
        for i in range(44, 52, 2):
            rows += [(i, 1024, 512, 1, 1), (i + 1, 512, 1024, 3, 1)]
        rows += [(52, 1024, 512, 1, 1), (53, 512, 1024, 3, 1), (54, 1024, 512, 1, 1), (55, 512, 1024, 3, 1)]
        rows += [(56, 1024, 512, 1, 1), (57, 512, 1024, 3, 1), (59, 512, 256, 1, 1)]
        rows += [(60, 768, 256, 1, 1), (61, 256, 512, 3, 1), (62, 512, 256, 1, 1), (63, 256, 512, 3, 1)]
        rows += [(64, 512, 256, 1, 1), (65, 256, 512, 3, 1), (67, 256, 128, 1, 1)]
        rows += [(68, 384, 128, 1, 1), (69, 128, 256, 3, 1), (70, 256, 128, 1, 1), (71, 128, 256, 3, 1)]
        rows += [(72, 256, 128, 1, 1), (73, 128, 256, 3, 1)]
        for row in rows:
            self.l[str(row[0])] = Block(*row)
        for i, cin in ((58, 1024), (66, 512), (74, 256)):
            self.l[str(i)] = nn.Conv2d(cin, 18, 1)
            fill(self.l[str(i)], f"conv.{i}")

    def run(self, x, first, last):
        for i in range(first, last + 1):
            x = self.l[str(i)](x)
        return x

    def residuals(self, x, first, last):
        for i in range(first, last, 2):
            x = x + self.run(x, i, i + 1)
        return x

    def forward(self, x):
        x = self.residuals(self.run(x, 0, 1), 2, 3)
        x = self.residuals(self.run(x, 4, 4), 5, 8)
        fine = self.residuals(self.run(x, 9, 9), 10, 25)
        middle = self.residuals(self.run(fine, 26, 26), 27, 42)
        coarse = self.residuals(self.run(middle, 43, 43), 44, 51)
        a = self.run(coarse, 52, 56)
        b = torch.cat([F.interpolate(self.run(a, 59, 59), scale_factor=2), middle], 1)
        b = self.run(b, 60, 64)
        c = torch.cat([F.interpolate(self.run(b, 67, 67), scale_factor=2), fine], 1)
        return [self.run(a, 57, 58), self.run(b, 65, 66), self.run(c, 68, 74)]


class Node(nn.Module):
    def __init__(self, i, j, cin, cout):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        for part in ("conv1", "bn1", "conv2", "bn2"):
            fill(getattr(self, part), f"nodes.{i}_{j}.{part}")

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class UnetPlusPlus(nn.Module):
    W = [64, 128, 256, 512, 512]

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleList()
        cin = 3
        for b, (w, n) in enumerate(zip(self.W, (2, 2, 4, 4, 4))):
            convs = nn.ModuleList()
            for c in range(n):
                convs.append(nn.Conv2d(cin, w, 3, padding=1))
                fill(convs[-1], f"encoder.{b}.{c}")
                cin = w
            self.encoder.append(convs)
        self.nodes = nn.ModuleDict()
        for j in range(1, 5):
            for i in range(5 - j):
                self.nodes[f"{i}_{j}"] = Node(i, j, j * self.W[i] + self.W[i + 1], self.W[i])
        self.heads = nn.ModuleList(nn.Conv2d(64, 1, 1) for _ in range(4))
        for k, head in enumerate(self.heads):
            fill(head, f"heads.{k}")

    def forward(self, x):
        X = {}
        for b, convs in enumerate(self.encoder):
            x = F.max_pool2d(x, 2) if b else x
            for conv in convs:
                x = F.relu(conv(x))
            X[b, 0] = x
        for j in range(1, 5):
            for i in range(5 - j):
                up = F.interpolate(X[i + 1, j - 1], scale_factor=2)
                X[i, j] = self.nodes[f"{i}_{j}"](torch.cat([X[i, k] for k in range(j)] + [up], 1))
        return [head(X[0, k + 1]) for k, head in enumerate(self.heads)]


def sampled(t):
    """Shape, root mean square, and the values at (k * 104729) mod size of the flattened tensor."""
    flat = t.flatten()
    picks = torch.arange(SAMPLES) * 104729 % flat.numel()
    rms = float(flat.double().square().mean().sqrt())
    return {"shape": list(t.shape[1:]), "rms": rms, "values": [float(f"{v:.9g}") for v in flat[picks].tolist()]}


def boxes(heads, width, height):
    """Every box, decoded one by one in double precision: x0, y0, x1, y1, confidence."""
    found = []
    sigmoid = lambda v: 1 / (1 + math.exp(-v))
    for head, stride, mask in zip(heads, (32, 16, 8), ((6, 7, 8), (3, 4, 5), (0, 1, 2))):
        t = head[0].double().numpy().reshape(3, 6, height // stride, width // stride)
        for a in range(3):
            for cy in range(t.shape[2]):
                for cx in range(t.shape[3]):
                    tx, ty, tw, th, to, tc = t[a, :, cy, cx]
                    x, y = (sigmoid(tx) + cx) * stride, (sigmoid(ty) + cy) * stride
                    w = ANCHORS[mask[a]][0] * width * math.exp(tw)
                    h = ANCHORS[mask[a]][1] * height * math.exp(th)
                    found.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, sigmoid(to) * sigmoid(tc)])
    return found


def some_boxes(heads, width, height):
    """The boxes over a threshold that no confidence is close to, some forty of them."""
    found = boxes(heads, width, height)
    ranked = sorted((b[4] for b in found), reverse=True)
    place = max(range(30, 50), key=lambda k: ranked[k] - ranked[k + 1])
    threshold = (ranked[place] + ranked[place + 1]) / 2
    return {"threshold": threshold, "boxes": [[float(f"{v:.9g}") for v in b] for b in found if b[4] >= threshold]}


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    expected = {"anchors": ANCHORS, "yolov3": {}}
    net = Yolov3().eval()
    for width, height in SIZES:
        heads = net(image(width, height))
        expected["yolov3"][f"{width}x{height}"] = [sampled(h) for h in heads]
        if width == SIZES[0][0]:
            expected["decoded"] = some_boxes(heads, width, height)
    del net
    logits = UnetPlusPlus().eval()(image(256, 256))
    expected["unetpp"] = {
        "logits": [sampled(h) for h in logits],
        "probability": [sampled(torch.sigmoid(torch.stack(logits[: n + 1]).mean(0))) for n in range(4)],
    }
    with open("expected.json", "w") as file:
        json.dump(expected, file)
        file.write("\n")
    for size, heads in expected["yolov3"].items():
        print(size, [h["rms"] for h in heads])
    print("unetpp", [h["rms"] for h in expected["unetpp"]["logits"]])


if __name__ == "__main__":
    main()
