"""U-Net++ with a VGG-19 encoder (16 convolutions without batch norm), nested dense skips and four heads."""

import torch
from torch import nn

WIDTHS = (64, 128, 256, 512, 512)
CONVS = (2, 2, 4, 4, 4)


class Node(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs, momentum=0.05)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, momentum=0.05)

    def forward(self, x):
        x = torch.relu_(self.bn1(self.conv1(x)))
        return torch.relu_(self.bn2(self.conv2(x)))


class UnetPP(nn.Module):
    """[B, 3, H, W] in [0, 1], sides multiples of 16 -> logits [B, 4, H, W], one map per head."""

    def __init__(self):
        super().__init__()
        inputs, blocks = 3, []
        for width, count in zip(WIDTHS, CONVS):
            block = []
            for _ in range(count):
                block.append(nn.Conv2d(inputs, width, 3, padding=1))
                nn.init.kaiming_normal_(block[-1].weight, nonlinearity="relu")
                nn.init.zeros_(block[-1].bias)
                inputs = width
            blocks.append(nn.ModuleList(block))
        self.encoder = nn.ModuleList(blocks)
        self.nodes = nn.ModuleDict()
        for j in range(1, 5):
            for i in range(5 - j):
                self.nodes[f"{i}_{j}"] = Node(j * WIDTHS[i] + WIDTHS[i + 1], WIDTHS[i])
        self.heads = nn.ModuleList(nn.Conv2d(WIDTHS[0], 1, 1) for _ in range(4))
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(head.bias, -0.5)

    def encode(self, x):
        features = []
        for i, block in enumerate(self.encoder):
            if i:
                x = nn.functional.max_pool2d(x, 2)
            for conv in block:
                x = torch.relu(conv(x))
            features.append(x)
        return features

    def forward(self, x):
        grid = {(i, 0): f for i, f in enumerate(self.encode(x))}
        for j in range(1, 5):
            for i in range(5 - j):
                up = nn.functional.interpolate(grid[i + 1, j - 1], scale_factor=2, mode="nearest")
                grid[i, j] = self.nodes[f"{i}_{j}"](torch.cat([grid[i, k] for k in range(j)] + [up], 1))
        return torch.cat([head(grid[0, k + 1]) for k, head in enumerate(self.heads)], 1)

    @torch.no_grad()
    def scale_layers(self, x):
        """Scales each encoder convolution so that its output on `x` has unit variance (Mishkin and Matas, 2016)."""
        for i, block in enumerate(self.encoder):
            if i:
                x = nn.functional.max_pool2d(x, 2)
            for conv in block:
                y = conv(x)
                conv.weight /= y.std() + 1e-6
                conv.bias.copy_(-conv(x).mean((0, 2, 3)))
                x = torch.relu(conv(x))

    def exported(self):
        """The tensors by the names of the weights file."""
        skip = "num_batches_tracked"
        return {k: v.detach() for k, v in self.state_dict().items() if not k.endswith(skip)}
