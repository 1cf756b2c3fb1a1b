//! The tests: one binary, a module per part of the program.

mod annotation;
mod architecture;
mod evaluate;
mod evaluation;
mod export;
mod fuse;
mod gpu;
mod grayscale;
mod hostile;
mod kernels;
mod networks;
mod phantom;
mod pipeline;
mod pipeline_contour;
mod prepare;
mod random;
mod random_weights;
mod read;
mod render;
mod scripted;
mod study;
mod support;
mod viewport;
mod weights;
mod window;
mod worker;
