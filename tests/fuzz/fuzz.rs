//! Every binary of this package: cargo builds it once per target, and its name says which.
//!
//! `FULMAR_FUZZ_TARGET` has it be another: to build them all takes long.
#![no_main]

mod targets;

use std::sync::LazyLock;

static NAME: LazyLock<String> = LazyLock::new(|| {
    std::env::var("FULMAR_FUZZ_TARGET").unwrap_or_else(|_| env!("CARGO_BIN_NAME").to_owned())
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::run(&NAME, data));
