"""YOLOv3 with Darknet-53, its convolutions numbered 0 ... 74 in the order of the standard yolov3.cfg."""

import torch
from torch import nn

HEADS = (58, 66, 74)
BLOCKS = (1, 2, 8, 8, 4)


class Conv(nn.Module):
    """Convolution, batch norm, leaky ReLU; a head is a bare convolution with a bias."""

    def __init__(self, inputs, outputs, kernel, stride=1, head=False):
        super().__init__()
        self.head = head
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=head)
        self.bn = None if head else nn.BatchNorm2d(outputs, eps=1e-5, momentum=0.05)

    def forward(self, x):
        x = self.conv(x)
        return x if self.head else nn.functional.leaky_relu(self.bn(x), 0.1, inplace=True)


class Yolov3(nn.Module):
    """[B, 3, H, W] in [0, 1] -> three maps [B, 3 * 6, h, w] at strides 32, 16 and 8."""

    def __init__(self):
        super().__init__()
        convs = [Conv(3, 32, 3)]
        width = 32
        for blocks in BLOCKS:
            convs.append(Conv(width, 2 * width, 3, 2))
            width *= 2
            for _ in range(blocks):
                convs += [Conv(width, width // 2, 1), Conv(width // 2, width, 3)]
                # A residual block starts as the identity: it learns faster.
                nn.init.constant_(convs[-1].bn.weight, 0.0)
        for index, narrow in enumerate((512, 256, 128)):
            if index:
                convs.append(Conv(2 * narrow, narrow, 1))
            for inputs in (1024 if index == 0 else 3 * narrow, 2 * narrow, 2 * narrow):
                convs += [Conv(inputs, narrow, 1), Conv(narrow, 2 * narrow, 3)]
            convs.append(Conv(2 * narrow, 18, 1, head=True))
        self.convs = nn.ModuleList(convs)
        for c in self.convs:
            if c.head:
                nn.init.normal_(c.conv.weight, std=0.01)
                with torch.no_grad():
                    bias = c.conv.bias.view(3, 6)
                    bias.zero_()
                    bias[:, 4] = -4.0
                    bias[:, 5] = 3.0
            else:
                nn.init.kaiming_normal_(c.conv.weight, a=0.1)

    def forward(self, x, features=False):
        """With `features`: also the three stages and the three maps before the heads, for supervision while training."""
        convs = iter(self.convs)
        x = next(convs)(x)
        stages, wides = [], []
        for blocks in BLOCKS:
            x = next(convs)(x)
            for _ in range(blocks):
                narrow = next(convs)(x)
                x = x + next(convs)(narrow)
            stages.append(x)
        outputs, neck = [], None
        for stage in reversed(stages[2:]):
            if neck is None:
                x = next(convs)(stage)
            else:
                up = nn.functional.interpolate(next(convs)(neck), scale_factor=2, mode="nearest")
                x = next(convs)(torch.cat([up, stage], 1))
            for _ in range(4):
                x = next(convs)(x)
            neck = x
            wide = next(convs)(x)
            wides.append(wide)
            outputs.append(next(convs)(wide))
        return (outputs, stages[:1:-1] + wides) if features else outputs

    def exported(self):
        """The tensors by the names of the weights file."""
        tensors = {}
        for i, c in enumerate(self.convs):
            tensors[f"conv.{i}.weight"] = c.conv.weight.detach()
            if c.head:
                tensors[f"conv.{i}.bias"] = c.conv.bias.detach()
            else:
                for part in ("weight", "bias", "running_mean", "running_var"):
                    tensors[f"conv.{i}.bn.{part}"] = getattr(c.bn, part).detach()
        return tensors


class Guides(nn.Module):
    """Maps "inside a lesion" from six places of the network: dense supervision, thrown away after training.

    Each place learns its own map, so that the early stages need not wait for the late ones."""

    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(c, 1, 1) for c in (1024, 512, 256, 1024, 512, 256))
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(head.bias, -2.0)

    def loss(self, features, targets, size):
        """`targets`: per image [n, 4] boxes in pixels of `size` (width, height); a lesion is the ellipse in its box."""
        ys, xs = torch.meshgrid(torch.arange(2, size[1], 4), torch.arange(2, size[0], 4), indexing="ij")
        truth = torch.zeros(len(targets), 1, *xs.shape)
        for b, boxes in enumerate(targets):
            for x0, y0, x1, y1 in boxes.tolist():
                r = ((xs - (x0 + x1) / 2) / ((x1 - x0) / 2)) ** 2 + ((ys - (y0 + y1) / 2) / ((y1 - y0) / 2)) ** 2
                truth[b, 0][r < 1] = 1.0
        total = 0.0
        for head, f in zip(self.heads, features):
            logits = head(f).float().cpu()
            goal = nn.functional.adaptive_avg_pool2d(truth, logits.shape[2:])
            p = logits.sigmoid()
            bce = nn.functional.binary_cross_entropy_with_logits(logits, goal)
            dice = 1 - (2 * (p * goal).sum() + 1) / ((p * p).sum() + (goal * goal).sum() + 1)
            total = total + bce + dice
        return total / len(self.heads)


def decode(outputs, anchors, net):
    """Per head: boxes [B, 3, h, w, 4] (x0, y0, x1, y1 in network pixels), objectness and class logits [B, 3, h, w].

    `anchors`: nine (w, h) as fractions of `net` (width, height), ascending; 6-8 belong to stride 32."""
    found = []
    for index, (out, stride) in enumerate(zip(outputs, (32, 16, 8))):
        b, _, h, w = out.shape
        out = out.float().view(b, 3, 6, h, w)
        prior = torch.tensor(anchors[6 - 3 * index : 9 - 3 * index]) * torch.tensor(net, dtype=torch.float32)
        ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        cx = (out[:, :, 0].sigmoid() + xs) * stride
        cy = (out[:, :, 1].sigmoid() + ys) * stride
        bw = prior[:, 0].view(1, 3, 1, 1) * out[:, :, 2].clamp(-6, 6).exp()
        bh = prior[:, 1].view(1, 3, 1, 1) * out[:, :, 3].clamp(-6, 6).exp()
        boxes = torch.stack([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2], -1)
        found.append((boxes, out[:, :, 4], out[:, :, 5]))
    return found


def box_iou(a, b):
    """IoU of broadcast boxes."""
    x0, y0 = torch.maximum(a[..., 0], b[..., 0]), torch.maximum(a[..., 1], b[..., 1])
    x1, y1 = torch.minimum(a[..., 2], b[..., 2]), torch.minimum(a[..., 3], b[..., 3])
    common = (x1 - x0).clamp(min=0) * (y1 - y0).clamp(min=0)
    area = lambda r: (r[..., 2] - r[..., 0]).clamp(min=0) * (r[..., 3] - r[..., 1]).clamp(min=0)
    return common / (area(a) + area(b) - common + 1e-9)


def ciou(a, b):
    """Complete IoU (Zheng et al. 2020) of matching boxes."""
    iou = box_iou(a, b)
    wide = torch.maximum(a[..., 2], b[..., 2]) - torch.minimum(a[..., 0], b[..., 0])
    tall = torch.maximum(a[..., 3], b[..., 3]) - torch.minimum(a[..., 1], b[..., 1])
    centre = ((a[..., 0] + a[..., 2] - b[..., 0] - b[..., 2]) ** 2 + (a[..., 1] + a[..., 3] - b[..., 1] - b[..., 3]) ** 2) / 4
    angle = lambda r: torch.atan((r[..., 2] - r[..., 0]) / (r[..., 3] - r[..., 1] + 1e-6))
    v = 4 / torch.pi**2 * (angle(b) - angle(a)) ** 2
    alpha = (v / (1 - iou + v + 1e-6)).detach()
    return iou - centre / (wide**2 + tall**2 + 1e-6) - alpha * v


def yolo_loss(outputs, targets, anchors, net):
    """`targets`: per image [n, 4] boxes in network pixels. Returns (box, objectness, class) losses per image.

    A box is learnt by its best anchor and every other whose shape overlaps it by more than 0.4; predictions that overlap a
    box by more than 0.5 are not told that they are wrong; objectness is focal with exponent 1.5."""
    decoded = decode(outputs, anchors, net)
    size = torch.tensor(anchors) * torch.tensor(net, dtype=torch.float32)
    positives = 0
    box_loss = obj_loss = class_loss = torch.zeros(())
    goals = [torch.zeros_like(d[1]) for d in decoded]
    weights = [torch.ones_like(d[1]) for d in decoded]
    picked = [[] for _ in decoded]
    for b, boxes in enumerate(targets):
        if len(boxes) == 0:
            continue
        for k, (found, _, _) in enumerate(decoded):
            overlap = box_iou(found[b].detach().unsqueeze(-2), boxes.view(1, 1, 1, -1, 4)).amax(-1)
            weights[k][b][overlap > 0.5] = 0.0
        for box in boxes:
            w, h = box[2] - box[0], box[3] - box[1]
            common = torch.minimum(size[:, 0], w) * torch.minimum(size[:, 1], h)
            overlap = common / (size.prod(1) + w * h - common)
            for a in range(9):
                if a != int(overlap.argmax()) and overlap[a] < 0.4:
                    continue
                k = 2 - a // 3
                stride = (32, 16, 8)[k]
                x, y = int((box[0] + box[2]) / 2 / stride), int((box[1] + box[3]) / 2 / stride)
                if y < goals[k].shape[2] and x < goals[k].shape[3]:
                    goals[k][b, a % 3, y, x] = 1.0
                    weights[k][b, a % 3, y, x] = 1.0
                    picked[k].append((b, a % 3, y, x, box))
    for k, (found, objectness, classes) in enumerate(decoded):
        if picked[k]:
            index = tuple(torch.tensor([p[i] for p in picked[k]]) for i in range(4))
            boxes = torch.stack([p[4] for p in picked[k]])
            box_loss = box_loss + (1 - ciou(found[index], boxes)).sum()
            class_loss = class_loss + nn.functional.softplus(-classes[index]).sum()
            positives += len(boxes)
        goal = goals[k]
        probability = objectness.sigmoid()
        focus = (goal - probability).abs().detach() ** 1.5
        each = nn.functional.binary_cross_entropy_with_logits(objectness, goal, reduction="none")
        obj_loss = obj_loss + (each * focus * weights[k] * (1 + goal)).sum()
    n = max(positives, len(targets))
    return 2.0 * box_loss / n, 3.0 * obj_loss / n, 0.3 * class_loss / n
