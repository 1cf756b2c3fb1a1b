//! The tests: one binary, a module per part of the program.
mod evaluation;
mod fuse;
mod pipeline;
mod pipeline_contour;
mod random;
