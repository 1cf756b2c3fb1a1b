//! Step 7: area and longest diameter.
