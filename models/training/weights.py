"""The program's weights files: 8 bits a weight with one factor per output channel, and back to PyTorch."""

import json

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from unetpp import UnetPP
from yolov3 import Yolov3


def quantise(tensors):
    """Rounds four-dimensional weights to 8 bits per output channel."""
    result = {}
    for name, value in tensors.items():
        value = value.float().contiguous().numpy()
        if value.ndim == 4:
            scale = np.maximum(np.abs(value).reshape(len(value), -1).max(1), 1e-12) / 127
            result[name] = np.clip(np.round(value / scale[:, None, None, None]), -127, 127).astype(np.int8)
            result[name + ".scale"] = scale.astype(np.float32)
        else:
            result[name] = value.astype(np.float32)
    return result


def dequantise(tensors):
    result = {}
    for name, value in tensors.items():
        if name.endswith(".scale"):
            continue
        scale = tensors.get(name + ".scale")
        value = value.astype(np.float32) if scale is None else value.astype(np.float32) * scale[:, None, None, None]
        result[name] = torch.from_numpy(value)
    return result


def filled(model, path):
    """`model` with the weights of a file, and the file's metadata."""
    tensors = dequantise(load_file(path))
    with torch.no_grad():
        for name, target in model.exported().items():
            target.copy_(tensors[name])
    with safe_open(path, "np") as f:
        return model, f.metadata()


def load_detector(path):
    """A PyTorch model with the weights of a file, its anchors, and the updates it has seen."""
    model, metadata = filled(Yolov3(), path)
    return model, json.loads(metadata["anchors"]), int(metadata["step"])


def load_segmenter(path):
    """A PyTorch model with the weights of a file, and the updates it has seen."""
    model, metadata = filled(UnetPP(), path)
    return model, int(metadata["step"])
