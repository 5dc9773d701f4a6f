//! End to end: the whole suite as it is installed, one behaviour a file.
