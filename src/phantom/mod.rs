//! Synthetic mammograms of known masses.
