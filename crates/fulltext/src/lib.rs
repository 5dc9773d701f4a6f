//! An index of words, which narrows searches.
