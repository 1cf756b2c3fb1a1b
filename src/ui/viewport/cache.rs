//! Marks made ready for drawing, kept between frames.

/// Simplified outlines of what was last drawn.
#[derive(Clone, Debug, Default)]
pub struct MarkCache {}
