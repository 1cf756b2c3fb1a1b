"""Makes the codestreams beside this file: one 32×24 image in codings that the tests do not write themselves.

    pip install imagecodecs==2026.3.6 && python make.py

The image is the `pattern` of tests/support/dicom.rs; for JPEG its highest 8 bits.
"""

import pathlib

import imagecodecs
import numpy

y, x = numpy.mgrid[0:24, 0:32]
pattern = ((x * 97 + y * 131 + (x * y) % 37 * 11) % 4096).astype("uint16")
smooth = (x * 4 + y * 3).astype("uint8")
here = pathlib.Path(__file__).parent
(here / "pattern.j2k").write_bytes(
    imagecodecs.jpeg2k_encode(pattern, codecformat="j2k", reversible=True, level=0, bitspersample=12, resolutions=3)
)
(here / "pattern.jhc").write_bytes(imagecodecs.htj2k_encode(pattern, reversible=True))
(here / "smooth.jpg").write_bytes(imagecodecs.jpeg8_encode(smooth, level=95))


def jpeg_ls(image, near):
    """Without the SPIFF header, which DICOM does not have."""
    stream = imagecodecs.jpegls_encode(image, level=near)
    return stream[stream.index(b"\xff\xd8\xff\xf7") :]


(here / "pattern.jls").write_bytes(jpeg_ls(pattern, 0))
(here / "pattern-near3.jls").write_bytes(jpeg_ls(pattern, 3))
# Long runs, their interruptions, and the whole range of 16 bits.
blocks = (numpy.where((x // 9 + y // 7) % 3 == 0, 65535, (x // 9) * 9000) + (x * y % 97 == 0) * 77).astype("uint16")
(here / "blocks.jls").write_bytes(jpeg_ls(blocks, 0))
(here / "smooth.jls").write_bytes(jpeg_ls(smooth, 0))
