//! wgpu passes: the image through window/level, the heatmap, outlines.
