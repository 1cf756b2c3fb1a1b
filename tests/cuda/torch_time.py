"""Times the same networks in PyTorch on a CUDA device: channels last, f16, batch norm folded, cuDNN's fastest algorithms.

The five scales one after the other and one patch, from images in the host's memory to outputs in the host's memory.
"""

import sys
import time
from pathlib import Path

import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

sys.path.insert(0, str(Path(__file__).parent.parent / "parity"))
from make_expected import SIZES, Block, Node, UnetPlusPlus, Yolov3, image  # noqa: E402

WARM_UPS, RUNS = 10, 50


def folded(net):
    for module in net.modules():
        if isinstance(module, Block):
            module.conv, module.bn = fuse_conv_bn_eval(module.conv, module.bn), torch.nn.Identity()
        if isinstance(module, Node):
            module.conv1, module.bn1 = fuse_conv_bn_eval(module.conv1, module.bn1), torch.nn.Identity()
            module.conv2, module.bn2 = fuse_conv_bn_eval(module.conv2, module.bn2), torch.nn.Identity()
    return net.half().to(device="cuda", memory_format=torch.channels_last)


def median(run):
    times = []
    for _ in range(WARM_UPS + RUNS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times[WARM_UPS:])[RUNS // 2] * 1e3


@torch.inference_mode()
def main():
    if not torch.cuda.is_available():
        sys.exit("skipped: PyTorch finds no CUDA device")
    torch.backends.cudnn.benchmark = True
    detector, segmenter = folded(Yolov3().eval()), folded(UnetPlusPlus().eval())

    def through(net, input):
        # One channel travels; the device makes three of it.
        x = input.to("cuda", non_blocking=True).half().expand(-1, 3, -1, -1)
        return [out.float().cpu() for out in net(x.contiguous(memory_format=torch.channels_last))]

    inputs = [image(*size)[:, :1].pin_memory() for size in SIZES]
    patch = image(256, 256)[:, :1].pin_memory()
    scales = median(lambda: [through(detector, input) for input in inputs])
    outline = median(lambda: through(segmenter, patch))
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, f16, channels last, medians of {RUNS}:")
    print(f"five scales {scales:.2f} ms, one patch {outline:.2f} ms, together {scales + outline:.2f} ms")


main()
