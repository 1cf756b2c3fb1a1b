//! Histogram equalisation of a patch.
